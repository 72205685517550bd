import {
  descriptorOffset,
  Flag,
  isByRing,
  Offset,
  paddedLength,
  type RingDescriptor,
  readDescriptor,
  writeU32,
} from '../../protocol/index.js'
import { type BlockPool, NO_ALIAS } from './blocks.js'
import type { FrameLevel, WaitingFrame } from './frame-level.js'

/** Reads what this client has put into a ring, and has not told the broker of. */
export interface PayloadSource {
  /** A copy of the payload; undefined when it cannot be had, or no frame could hold it. */
  payloadOf(descriptor: RingDescriptor): Uint8Array | undefined
}

/** Copies a frame to the end of a level, with its payload within it. False: the payload is lost. [RING-11] */
export function copyInline(
  frame: WaitingFrame,
  level: FrameLevel,
  source: PayloadSource,
  pool: BlockPool,
): boolean {
  const { bytes, start, length, period } = frame
  if (!isByRing(bytes, start)) {
    const block = level.reserve(paddedLength(length), NO_ALIAS, pool)
    bytes.copy(block.memory.bytes, block.end, start, start + paddedLength(length))
    level.append(length, period)
    return true
  }
  const payload = source.payloadOf(readDescriptor(bytes, start))
  if (payload === undefined) return false
  const payloadStart = descriptorOffset(bytes, start) - start
  const inlineLength = payloadStart + payload.length
  const block = level.reserve(paddedLength(inlineLength), NO_ALIAS, pool)
  const target = block.memory.bytes
  const { end } = block
  bytes.copy(target, end, start, start + payloadStart)
  writeU32(target, end + Offset.LENGTH, inlineLength)
  target[end + Offset.FLAGS]! &= ~Flag.RING
  target.set(payload, end + payloadStart)
  target.fill(0, end + inlineLength, end + paddedLength(inlineLength))
  level.append(inlineLength, period)
  return true
}
