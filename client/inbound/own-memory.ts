import { isReadMemory } from './read-memory.js'

/**
 * Bytes that may be kept: they are copied out of the memory that the next read overwrites, and out of something
 * much larger, so that a few bytes do not keep it alive. What is the greater part of its memory stays there.
 */
export function ownMemory(bytes: Buffer, start: number, end: number): Buffer {
  const part = bytes.subarray(start, end)
  return part.length * 2 < bytes.length || isReadMemory(bytes) ? Buffer.from(part) : part
}
