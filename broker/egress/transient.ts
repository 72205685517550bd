/** Memory that is used again at the next read or write: nothing may refer to it for longer than a turn. */
const transient = new WeakSet<ArrayBufferLike>()

export function markTransient(bytes: Buffer): void {
  transient.add(bytes.buffer)
}

/** The bytes in memory that stays as it is: a copy if they lie in memory that is used again. */
export function lasting(bytes: Buffer): Buffer {
  return transient.has(bytes.buffer) ? Buffer.from(bytes) : bytes
}
