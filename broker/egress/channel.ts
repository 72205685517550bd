import type { PairHandle } from '../../shmring/index.js'

/**
 * Where an outbox's bytes go: a socket, or a pair of rings beside it. Nothing above this interface knows which.
 */
export interface Channel {
  /**
   * Sends bytes in order. Those in transient memory are taken before it returns, and copied if they must wait;
   * others are never written again, and may be kept. True: they have left. False: some wait in the channel, and
   * `onWritable` follows once none does any longer.
   */
  write(bytes: Buffer): boolean
  /**
   * Sends one frame that carries a descriptor, by way of what knows how to do that with a socket; false when this
   * channel has none, or its socket does not take the frame.
   */
  grant(send: (socketFd: number) => boolean): boolean
  /** Whether a pair of rings can take over from its socket. */
  readonly takesPair: boolean
  /** Bytes that the socket has carried so far in large pieces, both ways; not counted once a pair has taken over. */
  readonly carriedBytes: number
  /** The client has sent its last frame by the socket: what follows comes by the pair, and goes there. [PAIR-3] */
  pair(pair: PairHandle, ringBytes: number): void
  /** Sends what waits, then ends the stream to the client. */
  end(): void
  /** Ends both directions at once. */
  destroy(): void
  /** Set by the outbox; called whenever nothing waits any longer. */
  onWritable: () => void
}
