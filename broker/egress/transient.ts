/** Memory that is used again at the next read or write: nothing may refer to it for longer than a turn. */
const transient = new WeakSet<ArrayBufferLike>()

export function markTransient(bytes: Buffer): void {
  transient.add(bytes.buffer)
}

export function isTransient(bytes: Buffer): boolean {
  return transient.has(bytes.buffer)
}
