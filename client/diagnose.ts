import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { RingbusError, type SocketPath, socketPath } from '../protocol/index.js'
import { nativeLoadError } from '../shmring/index.js'
import { dial } from './link/dial.js'
import { checkDirectory, type Trust } from './link/trust.js'
import { ringHost } from './rings/ring-host.js'
import { TrialRing } from './rings/trial-ring.js'

/** A program with fewer open files than this runs out of them with a few hundred connections. */
const OPEN_FILES_WANTED = 1024

export interface DiagnoseOptions {
  /** As for `connect`. */
  readonly path?: string | undefined
  readonly brokerUid?: number | undefined
}

/** What was looked at, what was found, and how to mend it if it is not well. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string | undefined
}

/** Looks at everything that a connection needs, in the order in which it needs it. Never rejects. */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Check[]> {
  const uid = process.getuid!()
  const trust: Trust = { uid, brokerUid: options.brokerUid }
  const checks: Check[] = []
  let target: SocketPath | undefined
  try {
    target = socketPath({ explicit: options.path, env: process.env, uid })
    checks.push(well('path', `${target.path}, chosen by ${target.rule}`))
  } catch (error) {
    checks.push(unwell('path', error, 'Choose a shorter path, by the option or by $RINGBUS_SOCKET'))
  }
  if (target !== undefined) {
    const broker = await checkBroker(target, trust)
    checks.push(checkSocketDirectory(target, trust), broker)
    // Whether there are rings is the broker's to say.
    if (broker.ok) checks.push(await checkRings(target, trust))
  }
  checks.push(checkAddon(), checkOpenFiles())
  return checks
}

function checkSocketDirectory({ path }: SocketPath, trust: Trust): Check {
  const directory = dirname(path)
  if (!existsSync(directory)) {
    return {
      name: 'directory',
      ok: false,
      detail: `${directory} does not exist`,
      remedy: 'The broker makes it when it starts: run `ringbus broker`',
    }
  }
  try {
    checkDirectory(path, trust)
    const { uid, mode } = lstatSync(directory)
    return well('directory', `${directory}, mode ${(mode & 0o7777).toString(8)}, of user ${uid}`)
  } catch (error) {
    return unwell('directory', error, `Make it your own, mode 0700, or choose another path than ${path}`)
  }
}

async function checkBroker(target: SocketPath, trust: Trust): Promise<Check> {
  let detail = ''
  const introduction = { name: 'doctor', mapsSegments: false }
  try {
    await dial({ target, trust, introduction }, (link, { brokerVersion, clientId }) => {
      detail = `version ${brokerVersion} answers; this was its client ${clientId}`
      link.destroy()
      return SILENT
    })
    return well('broker', detail)
  } catch (error) {
    const code = error instanceof RingbusError ? error.code : 'unknown'
    return unwell('broker', error, BROKER_REMEDIES[code] ?? 'See the section on this code in docs/ERRORS.md')
  }
}

const BROKER_REMEDIES: Record<string, string> = {
  NO_BROKER: 'Run `ringbus broker`, or check that it runs with the same path',
  NOT_RINGBUS: 'Another program has this path: choose another one',
  VERSION_UNSUPPORTED: 'Install the same version of ringbus on both sides',
  HANDSHAKE_TIMEOUT: 'The broker does not answer: see its log, and restart it',
}

/** Nothing more is wanted of a broker that has answered. */
const SILENT = {
  frame: () => undefined,
  readEnd() {},
  drained() {},
  lost() {},
}

/** Whether large payloads would go by ring: a ring is made, and given back. */
async function checkRings(target: SocketPath, trust: Trust): Promise<Check> {
  const host = ringHost()
  if (host === undefined) return bySocket('the native addon is needed here', 'See the check `addon`')
  const introduction = { name: 'doctor', mapsSegments: true }
  let trial: TrialRing | undefined
  let thresholdBytes = 0
  try {
    await dial({ target, trust, introduction }, (link, { rings }) => {
      if (rings === undefined) {
        link.destroy()
        return SILENT
      }
      thresholdBytes = rings.thresholdBytes
      trial = new TrialRing(host, link, rings, target.path)
      return trial
    })
    if (trial === undefined) return bySocket('the broker offers no rings', NO_OFFER_REMEDY)
    const ringBytes = await trial.ended()
    return well(
      'rings',
      `payloads of ${thresholdBytes} bytes or more go by shared memory; a ring of ${ringBytes} bytes was there on trial`,
    )
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return bySocket(
      reason,
      'See the limits that begin with `ring` in docs/LIMITS.md, and the log of the broker',
    )
  }
}

const NO_OFFER_REMEDY =
  'Start the broker without `rings: false`, and with the native addon: its log says if it is not loaded'

function bySocket(reason: string, remedy: string): Check {
  return { name: 'rings', ok: false, detail: `large payloads go by socket: ${reason}`, remedy }
}

function checkAddon(): Check {
  const error = nativeLoadError()
  if (error === undefined) return well('addon', 'loaded')
  const remedy =
    error.reason === 'disabled'
      ? 'Unset RINGBUS_NO_ADDON'
      : 'Install python3, make and a C compiler, then run `npm run build` in the folder of ringbus'
  return unwell(
    'addon',
    error,
    `${remedy}. Without it, the user of the broker cannot be checked, and large payloads go by socket`,
  )
}

function checkOpenFiles(): Check {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return well('open files', 'this system does not say how many there may be')
  }
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? 'unlimited'
  if (soft === 'unlimited' || Number(soft) >= OPEN_FILES_WANTED) return well('open files', `up to ${soft}`)
  return {
    name: 'open files',
    ok: false,
    detail: `up to ${soft}`,
    remedy: `Raise the limit to ${OPEN_FILES_WANTED} or more: \`ulimit -n\`, or LimitNOFILE= of the unit`,
  }
}

function well(name: string, detail: string): Check {
  return { name, ok: true, detail }
}

function unwell(name: string, error: unknown, remedy: string): Check {
  return { name, ok: false, detail: error instanceof Error ? error.message : String(error), remedy }
}
