/** One connection of a worker to the system that is measured: what all of them offer, and no more. */
export interface Connection {
  /** Sends a payload, which stays as it is for at least the next `PAYLOADS_IN_TURN` publishes. */
  publish(topic: string, payload: Buffer): void
  /** The handler's payload is valid during the call. In force after the next flush. */
  subscribe(topic: string, handler: (payload: Uint8Array) => void): void
  /** Answers each request with its own payload. In force after the next flush. */
  echo(topic: string): void
  request(topic: string, payload: Buffer): Promise<Uint8Array>
  /** Resolves once the server has taken everything before. */
  flush(): Promise<void>
  close(): Promise<void>
}

/**
 * How the harness drives a system, found by trial to be the best for each. Every system must be able to hold a whole
 * window, so that none drops a message, and a larger window must bring no more.
 */
export interface Tuning {
  /** Messages published and not yet reported as handled. */
  readonly windowMessages: number
  /** Messages published in one turn of the event loop. */
  readonly burstMessages: number
  /** Messages between two reports of a subscriber. */
  readonly reportMessages: number
}

export interface Server {
  /** What workers connect to. */
  readonly address: string
  stop(): Promise<void>
}

/** A system under measurement. */
export interface Peer {
  readonly name: PeerName
  readonly tuning: Tuning
  /** Its version, or undefined where it is not installed. */
  version(): string | undefined
  startServer(options: { readonly profileFolder: string | undefined }): Promise<Server>
  connect(address: string): Promise<Connection>
}

export type PeerName = 'ringbus' | 'nats'

/** Buffers that a publisher fills in turn, for a client may keep one until it next writes to its socket. */
export const PAYLOADS_IN_TURN = 4096
