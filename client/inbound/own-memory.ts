/**
 * Bytes that may be kept: a part of something much larger is copied out of it, so that a few bytes do not keep
 * a whole read alive. What is the greater part of its memory stays where it is.
 */
export function ownMemory(bytes: Buffer, start: number, end: number): Buffer {
  const part = bytes.subarray(start, end)
  return part.length * 2 < bytes.length ? Buffer.from(part) : part
}
