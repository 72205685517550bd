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

/** Whole frames in memory that may be kept: where they are, or copied out of the memory that is read into. */
export function ownFrames(bytes: Buffer, start: number, end: number): Buffer {
  const frames = bytes.subarray(start, end)
  return isReadMemory(bytes) ? copyOf(frames) : frames
}

/** A copy; small ones share memory with each other, as all of Node's small buffers do. */
export function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return copy
}
