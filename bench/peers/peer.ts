import type { Readable, Writable } from 'node:stream'

/** Memory for one payload: fill it, then publish it. */
export interface Draft {
  readonly bytes: Uint8Array
  /** False when the next publish should wait for `ready`. */
  publish(): boolean
}

/** Requests and replies, of the systems that are measured with them. */
export interface Requests {
  /** Answers each request with its own payload, so many at a time. In force after the next flush. */
  echo(topic: string, inFlight: number): void
  request(topic: string, payload: Buffer): Promise<Uint8Array>
}

export function requestsOf({ requests }: Connection): Requests {
  if (requests === undefined) throw new Error('The system is not measured with requests')
  return requests
}

export interface StreamedMessage {
  readonly bytes: Uint8Array
}

/** Streams of Node's, of a system that has them: by a pipeline, a slow reader holds a fast writer up. */
export interface Streams {
  /** Takes payloads. */
  writable(topic: string): Writable
  /** Gives messages. In force after the next flush. */
  readable(topic: string): Readable
}

/** The handler's payload is valid until the handler has returned, or until the promise that it returned settles. */
export type PayloadHandler = (payload: Uint8Array) => void | Promise<void>

/** One connection of a worker to the system that is measured: what all of them offer, and no more. */
export interface Connection {
  /**
   * Sends a payload. Unless `takesAtOnce`, it stays as it is for at least the next `PAYLOADS_IN_TURN` publishes, or until
   * every subscriber has reported it as handled. False when the next publish should wait for `ready`.
   */
  publish(topic: string, payload: Buffer): boolean
  /** The same at a priority of 0 to 31, where a system has priorities. */
  publishWithPriority?(topic: string, payload: Buffer, priority: number): boolean
  /** Whether `publish` has copied the payload when it returns, so that a program may fill the same buffer again. */
  readonly takesAtOnce?: true
  /** Resolves when publishing is welcome, and at once where a system never says that it is not. */
  ready(topic: string): Promise<void>
  /** In force after the next flush. Some systems take a pattern as well, with `*` for a token. */
  subscribe(topic: string, handler: PayloadHandler): void
  /** Resolves once the server has taken everything before. */
  flush(): Promise<void>
  close(): Promise<void>
  /** The system's own memory to fill, where it has some; otherwise payloads are buffers of the publisher. */
  loan?(topic: string, byteLength: number): Promise<Draft>
  readonly requests?: Requests
  readonly streams?: Streams
}

/**
 * How the harness drives a system, found by trial to be the best for each. Every system must be able to hold a whole
 * window, so that none drops a message, and a larger window must bring no more.
 */
export interface Tuning {
  /** Messages published and not yet reported as handled. */
  readonly windowMessages: number
  /** The same in bytes of payload, which counts where payloads are large. */
  readonly windowBytes: number
  /** Bytes of payload that the server may come to hold for all subscribers together. */
  readonly heldBytes: number
  /** Messages published in one turn of the event loop. */
  readonly burstMessages: number
  /** Messages between two reports of a subscriber. */
  readonly reportMessages: number
}

/** Deliveries of payloads that are large enough for a ring, as the server has counted them since it started. */
export interface DeliveryCounts {
  readonly byRing: number
  /** By the socket, although they were large enough. */
  readonly inlined: number
}

/** What a server says has become of the messages that were published to one subscriber. */
export interface DeliveryAccount {
  readonly matched: number
  readonly handled: number
  readonly dropped: number
  readonly queued: number
  readonly inFlight: number
}

/**
 * How much a server holds for a subscriber that does not read: as it is shipped, or so much that it keeps whatever a
 * scenario publishes.
 */
export type Holding = 'shipped' | 'everything'

export interface ServerOptions {
  readonly profileFolder: string | undefined
  /** Default: 'shipped' for ringbus, 'everything' for the others, to which flow control of the harness is foreign. */
  readonly holding?: Holding
}

export interface Server {
  /** What workers connect to. */
  readonly address: string
  readonly pid: number
  stop(): Promise<void>
  /** Where a system has several ways for a payload, which of them payloads went. */
  deliveryCounts?(): Promise<DeliveryCounts>
  /** Of the one subscription of a process, where a system keeps account. */
  accountOf?(pid: number): Promise<DeliveryAccount>
}

export interface ConnectSettings {
  /** The smallest payload of a measurement, which a system with a ring sends by it. */
  readonly payloadBytesMin: number
  /** The connection comes back when the server has closed it; otherwise that ends the worker. Default false. */
  readonly reconnects?: true
}

/** Whether a system can be measured here: its version, or why it cannot. */
export type Presence = { readonly version: string } | { readonly missing: string }

/** A system under measurement. */
export interface Peer {
  readonly name: PeerName
  readonly tuning: Tuning
  /** The way that payloads must go for a figure to count, where a system has several. */
  readonly way?: 'ring' | 'inline'
  presence(): Promise<Presence> | Presence
  startServer(options: ServerOptions): Promise<Server>
  connect(address: string, settings: ConnectSettings): Promise<Connection>
}

/** ringbus as it is by default; with clients that poll, with nobody polling, and with every stream in its socket; with one way of large payloads each. */
export const OWN_NAMES = [
  'ringbus',
  'ringbus-low',
  'ringbus-asleep',
  'ringbus-socket',
  'ringbus-inline',
  'ringbus-copies',
  'ringbus-view',
  'ringbus-loan',
] as const

export const FOREIGN_NAMES = ['nats', 'redis', 'mosquitto', 'zeromq'] as const

export type OwnName = (typeof OWN_NAMES)[number]
export type ForeignName = (typeof FOREIGN_NAMES)[number]
export type PeerName = OwnName | ForeignName

/** Buffers that a publisher fills in turn, for a client may keep one until it next writes to its socket. */
export const PAYLOADS_IN_TURN = 4096

/** The same where the client has taken a payload when it returns. */
export const PAYLOADS_REUSED = 64
