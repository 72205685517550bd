/**
 * Where an outbox's bytes go: a socket today. Nothing above this interface knows what carries them.
 */
export interface Channel {
  /**
   * Sends bytes in order. True: they have left, and the buffer may be written again. False: they wait in the
   * channel, which keeps the buffer, and `onWritable` follows once nothing waits any longer.
   */
  write(bytes: Buffer): boolean
  /** Sends what waits, then ends the stream to the client. */
  end(): void
  /** Set by the outbox; called whenever nothing waits any longer. */
  onWritable: () => void
}
