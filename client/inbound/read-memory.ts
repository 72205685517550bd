/**
 * What every connection of this thread reads into. A chunk is dealt with before the next read begins, on
 * whichever connection, so one serves all, and no read allocates. Larger than what the system holds for a
 * socket by default, so that one read takes it all.
 */
export const READ_MEMORY = Buffer.allocUnsafeSlow(256 * 1024)

/** Whether these bytes will be overwritten by the next read: whoever wants to keep them copies them. */
export function isReadMemory(bytes: Buffer): boolean {
  return bytes.buffer === READ_MEMORY.buffer
}
