import { z } from 'zod'
import {
  ALIASES_DEFAULT,
  isReserved,
  PAYLOAD_BYTES_MAX_DEFAULT,
  patternFault,
  RingbusError,
} from '../protocol/index.js'
import { PATTERNS_MAX, type PermissionRule, RULES_MAX } from './permissions/rule.js'

const MIB = 1024 * 1024

/** Longer than any wake-up takes; beyond, it would only heat the room. */
const BUSY_POLL_US_MAX = 10_000

const count = () => z.int().positive()
const bytes = () => z.int().positive()
const milliseconds = () =>
  z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)

/** Limits of the broker. Each names in docs/LIMITS.md what happens where it is reached. */
const limitsShape = {
  /** Clients connected at a time. */
  clientsMax: count().default(65_536),
  /** Bytes of the largest payload. */
  payloadBytesMax: bytes()
    .max(1024 * MIB)
    .default(PAYLOAD_BYTES_MAX_DEFAULT),
  /** Topic aliases of one client. */
  aliasesMax: count().max(65_536).default(ALIASES_DEFAULT),
  /** Subscriptions of one client. */
  subscriptionsMax: count().default(131_072),
  /** Services of one client. */
  servicesMax: count().default(16_384),
  /** Requests of one client that have not ended. */
  requestsMax: count().default(65_536),
  /** Bytes queued for one subscription. */
  backlogBytesMax: bytes().default(8 * MIB),
  /** Messages queued for one subscription. */
  backlogMessagesMax: count().default(1_000_000),
  /** Bytes queued for all subscriptions together. */
  backlogTotalBytesMax: bytes().default(512 * MIB),
  /** Time for which the publishers of a topic may be held up by subscriptions that take nothing. */
  pauseTimeoutMs: milliseconds().min(1).default(1_000),
  /** Bytes beyond the limit of a blocking subscription that may arrive while its publishers are being paused. */
  pauseSlackBytes: bytes().default(8 * MIB),
  /** Messages that are kept for subscribers to come. */
  retainedMessagesMax: count().default(65_536),
  /** Bytes of those. */
  retainedBytesMax: bytes().default(64 * MIB),
  /** Requests that wait for the responders of one pattern. */
  heldRequestsMax: count().default(65_536),
  /** Bytes of the requests that wait for the responders of one pattern. */
  heldBytesMax: bytes().default(64 * MIB),
  /** Bytes of replies that one client leaves unread. */
  outboxBytesMax: bytes().default(128 * MIB),
  /** Bytes of frames of all clients together that have begun and not ended. */
  partialBytesMax: bytes().default(512 * MIB),
  /** Whether large payloads go by shared-memory rings. */
  rings: z.boolean().default(true),
  /** Bytes from which on a payload goes by ring, unless its client says otherwise. */
  ringThresholdBytes: bytes().default(16 * 1024),
  /** Bytes of a ring, unless a larger payload asks for more. */
  ringBytes: bytes()
    .min(64 * 1024)
    .max(1024 * MIB)
    .default(64 * MIB),
  /** Bytes of the largest ring, and so of the largest payload by ring. */
  ringBytesMax: bytes()
    .min(64 * 1024)
    .max(1024 * MIB)
    .default(1024 * MIB),
  /** Rings of one client, those included that are not empty yet. */
  ringSegmentsMax: count().default(4),
  /** Records of one ring; beyond, nobody new is told to read from it. */
  ringRecordsMax: count().default(16_384),
  /** Bytes of the address space of one user's rings. */
  ringUserBytesMax: bytes().default(16 * 1024 * MIB),
  /** Bytes of the address space of all rings. */
  ringTotalBytesMax: bytes().default(64 * 1024 * MIB),
  /** Bytes of payloads copied from rings that they held up. */
  ringCopyBytesMax: bytes().default(256 * MIB),
  /** Bytes of the rings that one client may make unfit for use by not releasing what it was sent. */
  ringHeldBytesMax: bytes().default(256 * MIB),
  /** Time for a client to map a segment, before payloads go by socket instead. */
  attachTimeoutMs: milliseconds().default(1_000),
  /** Time for a client to release a record that others wait for, before its ring is given up. */
  leaseTimeoutMs: milliseconds().default(5_000),
  /** Time after which a ring that nobody uses is given back. */
  ringIdleMs: milliseconds().default(5_000),
  /** Bytes of each of the two rings that carry a busy client's stream in place of its socket; a power of two. */
  pairBytes: bytes()
    .min(64 * 1024)
    .max(4 * MIB)
    .refine((value) => Number.isInteger(Math.log2(value)), 'not a power of two')
    .default(4 * MIB),
  /** Bytes that a client's socket has carried before it is busy enough for such a pair. */
  pairAfterBytes: bytes().default(MIB),
  /** Reads and writes of fewer bytes do not count for that: a pair pays where much is carried at a time. */
  pairPieceBytesMin: bytes().default(8 * 1024),
  /** Such pairs at a time; 0: every stream stays with its socket. */
  pairsMax: z.int().nonnegative().default(32),
  /** Microseconds that the broker polls for more after traffic; auto: as it pays, 100 at most; 0: it never does. */
  busyPollUs: z.union([z.literal('auto'), z.int().nonnegative().max(BUSY_POLL_US_MAX)]).default('auto'),
  /** Time for a client to say HELLO. */
  handshakeTimeoutMs: milliseconds().default(5_000),
  /** Time for a refused client to read why, and hang up. */
  refusedLingerMs: milliseconds().default(2_000),
  /** Time for queued messages to leave when the broker stops. */
  drainTimeoutMs: milliseconds().default(2_000),
  /** Time without clients after which the broker ends; 0: never. */
  idleExitMs: milliseconds().default(0),
}

/** The highest number of a user or group; the one above it stands for none in system calls. */
const ACCOUNT_MAX = 2 ** 32 - 2
const account = () => z.int().nonnegative().max(ACCOUNT_MAX)

const patterns = (faultOf: (pattern: string) => string | undefined) =>
  z
    .array(
      z.string().check(({ value, issues }) => {
        const fault = faultOf(value)
        if (fault !== undefined) issues.push({ code: 'custom', input: value, message: fault })
      }),
    )
    .max(PATTERNS_MAX)
    .optional()

const readable = () => patterns(patternFault)
const writable = () =>
  patterns((pattern) =>
    isReserved(pattern) ? 'topics that start with $ belong to the broker' : patternFault(pattern),
  )

const permissionSchema: z.ZodType<PermissionRule> = z.strictObject({
  user: account().optional(),
  group: account().optional(),
  publish: writable(),
  subscribe: readable(),
  serve: writable(),
  request: readable(),
})

const limitsSchema = z.strictObject(limitsShape)
const settingsSchema = z.strictObject({
  path: z.string().min(1).optional(),
  group: account().optional(),
  permissions: z.array(permissionSchema).max(RULES_MAX).optional(),
  ...limitsShape,
})

/** The broker's limits, complete. They may change while the broker runs, on a reload. */
export type Limits = z.infer<typeof limitsSchema>

/** What a program or a configuration file may set. */
export interface BrokerSettings extends Partial<Limits> {
  /** Where its socket is. */
  readonly path?: string | undefined
  /** The number of a group whose processes may connect as well. Default: the broker's own user (and root) alone. */
  readonly group?: number | undefined
  /** Who may do what: the first rule that is for a client holds. Default: whoever can connect may do everything. */
  readonly permissions?: readonly PermissionRule[] | undefined
}

/** Settings that were checked, and limits that are complete. */
export interface ParsedSettings {
  readonly path: string | undefined
  readonly group: number | undefined
  readonly permissions: readonly PermissionRule[] | undefined
  readonly limits: Limits
}

/** Completes and checks settings; throws CONFIG_INVALID, which names every key that is wrong. */
export function parseSettings(settings: unknown, origin: string): ParsedSettings {
  const result = settingsSchema.safeParse(settings)
  if (!result.success) throw configError(result.error, settings, origin)
  const { path, group, permissions, ...limits } = result.data
  return { path, group, permissions, limits }
}

function configError(error: z.ZodError, settings: unknown, origin: string): RingbusError {
  const faults = error.issues.map((issue) => describe(issue, settings))
  return new RingbusError('CONFIG_INVALID', `${origin}: ${faults.join('; ')}`, { details: { faults } })
}

function describe(issue: z.core.$ZodIssue, settings: unknown): string {
  if (issue.code === 'unrecognized_keys') {
    const place = issue.path.length === 0 ? '' : ` in \`${issue.path.join('.')}\``
    return `there is no option \`${issue.keys.join('`, `')}\`${place}`
  }
  if (issue.path.length === 0) return `expected an object of options, got ${JSON.stringify(settings)}`
  const key = issue.path.join('.')
  const value = issue.path.reduce<unknown>(
    (part, name) => (part as Record<PropertyKey, unknown>)[name],
    settings,
  )
  return `expected \`${key}\` to be valid, got \`${JSON.stringify(value)}\`: ${issue.message}`
}
