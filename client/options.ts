import {
  CONCURRENCY_MAX,
  type EncodingName,
  type Headers,
  OVERFLOW_POLICIES,
  type OverflowPolicy,
  PAYLOAD_BYTES_CEILING,
  RingbusError,
} from '../protocol/index.js'
import { ringHost } from './rings/ring-host.js'
import {
  checkBoolean,
  checkDelay,
  checkOneOf,
  checkOptions,
  checkPositiveInteger,
  checkSignal,
  checkString,
  checkUserNumber,
  expected,
} from './validate.js'

/** What stands for options that nobody gave: they need no check. */
export const NO_OPTIONS: Readonly<Record<string, never>> = Object.freeze({})

/** How a client comes back after its connection was lost. Times are in milliseconds. */
export interface ReconnectOptions {
  /** Whether `connect` itself keeps trying while nothing listens. Default false: it rejects at once. */
  readonly initial?: boolean | undefined
  /** Bound of the first delay. The delay before attempt n is random up to `delayMin` · 2ⁿ. Default 50. */
  readonly delayMin?: number | undefined
  /** Bound that no delay passes. Default 2000. */
  readonly delayMax?: number | undefined
  /** Bytes of messages kept while the connection is away; `publish` throws BACKPRESSURE beyond. Default 16 MiB. */
  readonly bufferBytesMax?: number | undefined
}

/** How large payloads travel through shared memory. */
export interface RingOptions {
  /** Payloads of this many bytes or more go by ring. Default: as the broker advises. */
  readonly threshold?: number | undefined
}

export interface ConnectOptions {
  /** The broker's socket. Default: $RINGBUS_SOCKET, else ringbus/broker.sock in $XDG_RUNTIME_DIR, else /tmp/ringbus-<uid>/broker.sock. */
  readonly path?: string | undefined
  /** A name for people, shown by `ringbus status` and in the broker's log. Default: none. */
  readonly name?: string | undefined
  /** Start a broker when none listens. Default false. */
  readonly autostart?: boolean | undefined
  /** Whether and how to come back after a lost connection. Default true. */
  readonly reconnect?: boolean | ReconnectOptions | undefined
  /** Gives up connecting: `connect` rejects with CANCELLED. It has no effect afterwards. */
  readonly signal?: AbortSignal | undefined
  /** The number of a user whose broker is trusted, besides one's own and root's. Default: none. */
  readonly brokerUid?: number | undefined
  /**
   * Whether large payloads travel through shared memory, where the native addon and the broker permit it; `false`:
   * everything travels through the socket. Default true.
   */
  readonly ring?: boolean | RingOptions | undefined
  /**
   * `low`: after traffic of its own, the client polls for more instead of sleeping at once, as long as messages keep coming
   * fast enough for it, and while the broker permits it: no more processes poll than there are processors. It costs up to
   * one processor while messages flow, and nothing at rest. Default `normal`.
   */
  readonly latency?: 'normal' | 'low' | undefined
}

/** How a payload is encoded, beside its type. */
export interface PayloadOptions {
  /** 0 to 31, higher is more urgent. Default 0. */
  readonly priority?: number | undefined
  /** Small values beside the payload. */
  readonly headers?: Headers | undefined
  /** Default: by the type of the data. Buffer, Uint8Array: bytes; string: utf8; typed array: array; else msgpack. */
  readonly encoding?: EncodingName | undefined
  /** The shape of a typed array. Default: one dimension. */
  readonly shape?: readonly number[] | undefined
}

export interface PublishOptions extends PayloadOptions {
  /** Milliseconds after which nobody handles the message any more. Default: it does not expire. */
  readonly ttl?: number | undefined
  /**
   * Whether the broker keeps the message for subscribers to come, in place of the one that it kept of this topic. An
   * empty payload removes what is kept. Default false.
   */
  readonly retain?: boolean | undefined
}

export interface SubscribeOptions {
  /** Share the messages with all matching subscriptions of this group: each goes to one of them. */
  readonly group?: string | undefined
  /** Handlers that run at a time. Default 1: in order, one after another. Iterators take one at a time anyway. */
  readonly concurrency?: number | undefined
  /**
   * Messages of bytes and typed arrays that came through shared memory are not copied: `data` and `bytes` are views
   * of it, to be read only, until the handler's promise has settled, the next step of an iteration, or `release`.
   * Default false.
   */
  readonly view?: boolean | undefined
  /**
   * What becomes of messages that the backlog in the broker has no room for. `block`: publishers of the topic are paused
   * until there is room, and the oldest are dropped when this subscription takes nothing for a second; `drop-oldest`: the
   * oldest of the lowest priority; `drop-newest`: the newest; `latest`: of each topic only the newest waits, and only 16 KiB
   * wait in this process, so that what is handled is fresh; `disconnect`: the client loses its connection. Default `block`.
   */
  readonly overflow?: OverflowPolicy | undefined
  /** Messages that may wait in the broker. Default, and at most: the broker's limit. */
  readonly backlogMessagesMax?: number | undefined
  /** Bytes that may wait in the broker. Default, and at most: the broker's limit. */
  readonly backlogBytesMax?: number | undefined
  /** Whether the kept messages of matching topics come first, again after a reconnect. Default true; in a group, none do. */
  readonly retained?: boolean | undefined
}

export interface ReadStreamOptions extends Omit<SubscribeOptions, 'concurrency' | 'view'> {
  /**
   * Messages that are fetched before they are asked for. More urgent ones that come later do not overtake them. Default 0.
   */
  readonly highWaterMark?: number | undefined
}

export interface WriteStreamOptions extends PublishOptions {
  /** Messages that wait in the stream while the topic is held up, before `write` returns false. Default 16. */
  readonly highWaterMark?: number | undefined
}

export interface RequestOptions extends PayloadOptions {
  /** Milliseconds to wait, for the reply or for the next part of a stream; 0 and Infinity wait for ever. Default 5000. */
  readonly timeout?: number | undefined
  /** Cancels the request, which fails with CANCELLED; the service is told. */
  readonly signal?: AbortSignal | undefined
  /**
   * A reply of bytes or a typed array that came through shared memory is not copied: it is a view, to be read only,
   * until `release`, which must not be forgotten; parts of a stream until the next step. Default false.
   */
  readonly view?: boolean | undefined
}

export interface ServeOptions {
  /** Requests handled at a time; the broker holds what comes beyond. Default 16. */
  readonly concurrency?: number | undefined
  /** Requests are views, as with `subscribe`, until they are answered. Default false. */
  readonly view?: boolean | undefined
}

export interface LoanOptions {
  /** Gives up waiting: `loan` rejects with CANCELLED. It has no effect afterwards. */
  readonly signal?: AbortSignal | undefined
}

/** How a loan is published. Its encoding and its shape were said when it was made. */
export interface LoanPublishOptions {
  /** 0 to 31, higher is more urgent. Default 0. */
  readonly priority?: number | undefined
  /** Small values beside the payload. */
  readonly headers?: Headers | undefined
  /** Milliseconds after which nobody handles the message any more. Default: it does not expire. */
  readonly ttl?: number | undefined
  /** Whether the broker keeps a copy for subscribers to come. Default false. */
  readonly retain?: boolean | undefined
}

export interface CloseOptions {
  /** Milliseconds to wait for handlers and for what is still to be sent; 0 and Infinity wait for ever. Default 5000. */
  readonly timeout?: number | undefined
}

export interface RingSettings {
  /** False: everything travels inline. */
  readonly enabled: boolean
  /** Payloads of this many bytes go by ring; undefined: as the broker advises. */
  readonly thresholdBytes: number | undefined
}

export interface ReconnectSettings {
  readonly enabled: boolean
  readonly initial: boolean
  readonly delayMinMs: number
  readonly delayMaxMs: number
  readonly bufferBytesMax: number
}

/** Many messages of a short absence, and bearable for a process that did not ask for it. */
const BUFFER_BYTES_MAX_DEFAULT = 16 * 1024 * 1024

const BUFFER_BYTES_CEILING = 2 ** 40

const RECONNECT_DEFAULTS: ReconnectSettings = {
  enabled: true,
  initial: false,
  delayMinMs: 50,
  delayMaxMs: 2000,
  bufferBytesMax: BUFFER_BYTES_MAX_DEFAULT,
}

export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions('the options of connect', options, [
    'path',
    'name',
    'autostart',
    'reconnect',
    'signal',
    'brokerUid',
    'ring',
    'latency',
  ])
  checkString('path', options.path)
  checkString('name', options.name)
  checkBoolean('autostart', options.autostart)
  checkSignal(options.signal)
  checkUserNumber('brokerUid', options.brokerUid)
  checkOneOf('latency', options.latency, ['normal', 'low'])
}

export function reconnectSettings(option: ConnectOptions['reconnect']): ReconnectSettings {
  if (option === undefined || option === true) return RECONNECT_DEFAULTS
  if (option === false) return { ...RECONNECT_DEFAULTS, enabled: false }
  checkOptions('reconnect', option, ['initial', 'delayMin', 'delayMax', 'bufferBytesMax'])
  checkBoolean('reconnect.initial', option.initial)
  checkDelay('reconnect.delayMin', option.delayMin)
  checkDelay('reconnect.delayMax', option.delayMax)
  checkPositiveInteger('reconnect.bufferBytesMax', option.bufferBytesMax, BUFFER_BYTES_CEILING)
  return {
    enabled: true,
    initial: option.initial ?? RECONNECT_DEFAULTS.initial,
    delayMinMs: option.delayMin ?? RECONNECT_DEFAULTS.delayMinMs,
    delayMaxMs: option.delayMax ?? RECONNECT_DEFAULTS.delayMaxMs,
    bufferBytesMax: option.bufferBytesMax ?? RECONNECT_DEFAULTS.bufferBytesMax,
  }
}

/** Rings are used where the addon is there and nobody forbids them. */
export function ringSettings(option: ConnectOptions['ring']): RingSettings {
  const enabled = option !== false && ringHost() !== undefined
  if (option === undefined || typeof option === 'boolean') return { enabled, thresholdBytes: undefined }
  checkOptions('ring', option, ['threshold'])
  checkPositiveInteger('ring.threshold', option.threshold, PAYLOAD_BYTES_CEILING)
  return { enabled, thresholdBytes: option.threshold }
}

const SUBSCRIBE_OPTIONS = [
  'group',
  'concurrency',
  'view',
  'overflow',
  'backlogMessagesMax',
  'backlogBytesMax',
  'retained',
] as const

export function checkSubscribeOptions(options: SubscribeOptions): void {
  checkOptions('the options of subscribe', options, SUBSCRIBE_OPTIONS)
  checkBoolean('view', options.view)
  checkPositiveInteger('concurrency', options.concurrency, CONCURRENCY_MAX)
  checkBacklogOptions(options)
}

const READ_STREAM_OPTIONS = [
  'group',
  'overflow',
  'backlogMessagesMax',
  'backlogBytesMax',
  'retained',
  'highWaterMark',
] as const

export function checkReadStreamOptions(options: ReadStreamOptions): void {
  if (options !== null && typeof options === 'object' && 'view' in options && options.view !== false) {
    throw new RingbusError(
      'INVALID_ARGUMENT',
      'Expected the options of createReadStream to hold no `view`: streams keep messages for longer than a view lasts',
    )
  }
  checkOptions('the options of createReadStream', options, [...READ_STREAM_OPTIONS, 'view'])
  checkHighWaterMark(options.highWaterMark)
  checkBacklogOptions(options)
}

const PUBLISH_OPTIONS = ['priority', 'headers', 'encoding', 'shape', 'ttl', 'retain'] as const

export function checkWriteStreamOptions(options: WriteStreamOptions): void {
  checkOptions('the options of createWriteStream', options, [...PUBLISH_OPTIONS, 'highWaterMark'])
  checkHighWaterMark(options.highWaterMark)
}

function checkHighWaterMark(value: unknown): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return
  throw expected('highWaterMark', 'a number of messages', value)
}

function checkBacklogOptions({ group, overflow, retained, ...limits }: SubscribeOptions): void {
  checkString('group', group)
  checkOneOf('overflow', overflow, OVERFLOW_POLICIES)
  checkPositiveInteger('backlogMessagesMax', limits.backlogMessagesMax, Number.MAX_SAFE_INTEGER)
  checkPositiveInteger('backlogBytesMax', limits.backlogBytesMax, Number.MAX_SAFE_INTEGER)
  checkBoolean('retained', retained)
  if (group === undefined || retained !== true) return
  throw new RingbusError(
    'INVALID_ARGUMENT',
    'Expected `retained` not to be true in a group: a kept message would go to each member of it',
  )
}

export function checkServeOptions(options: ServeOptions): void {
  checkOptions('the options of serve', options, ['concurrency', 'view'])
  checkBoolean('view', options.view)
  checkPositiveInteger('concurrency', options.concurrency, CONCURRENCY_MAX)
}

export function checkRequestOptions(options: RequestOptions): void {
  checkOptions('the options of request', options, [
    'timeout',
    'signal',
    'priority',
    'headers',
    'encoding',
    'shape',
    'view',
  ])
  checkSignal(options.signal)
  checkBoolean('view', options.view)
}

export function checkLoanOptions(options: LoanOptions): void {
  checkOptions('the options of loan', options, ['signal'])
  checkSignal(options.signal)
}

export function checkLoanPublishOptions(options: LoanPublishOptions): void {
  checkOptions('the options of publish', options, ['priority', 'headers', 'ttl', 'retain'])
}
