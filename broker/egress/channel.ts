/**
 * Where an outbox's bytes go: a socket today. Nothing above this interface knows what carries them.
 */
export interface Channel {
  /**
   * Sends bytes in order, and takes them before it returns: the caller may write the buffer again. True: they
   * have left. False: some wait in the channel, and `onWritable` follows once none does any longer.
   */
  write(bytes: Buffer): boolean
  /** Sends what waits, then ends the stream to the client. */
  end(): void
  /** Ends both directions at once. */
  destroy(): void
  /** Set by the outbox; called whenever nothing waits any longer. */
  onWritable: () => void
}
