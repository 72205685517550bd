/**
 * Where an outbox's bytes go: a socket today. Nothing above this interface knows what carries them.
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
  /** Sends what waits, then ends the stream to the client. */
  end(): void
  /** Ends both directions at once. */
  destroy(): void
  /** Set by the outbox; called whenever nothing waits any longer. */
  onWritable: () => void
}
