import { Flag, GRANULE_BYTES, RING_DESCRIPTOR_BYTES } from './constants.js'
import { frameLayout, Offset, readU32, readU64, writeU32, writeU64 } from './frame.js'

/** A span of a ring: what a claim has set aside, and a frame with RING or an ABORT declares. [RING-1] */
export interface RingSpan {
  /** Granules since the ring began, without what `padding` skips. */
  readonly position: number
  /** Bytes of the payload. */
  readonly length: number
  /** Granules skipped before the record: up to where the ring begins anew. */
  readonly padding: number
  /** The ring was empty and begins at its start again; the padding was never taken from the semaphore. */
  readonly restarted: boolean
}

/** The payload of a frame with RING: where in which segment the message's bytes lie. [RING-1] */
export interface RingDescriptor extends RingSpan {
  readonly segment: number
}

/** Granules that a payload of this many bytes takes. [RING-1] */
export function granulesOf(byteLength: number): number {
  return Math.ceil(byteLength / GRANULE_BYTES)
}

/** Whether the payload of a message frame lies in a ring. */
export function isByRing(bytes: Uint8Array, start: number): boolean {
  return (bytes[start + Offset.FLAGS]! & Flag.RING) !== 0
}

/** Bytes of the payload of a sound message frame that lies in a ring; 0 when it does not. */
export function ringPayloadBytes(bytes: Uint8Array, start: number): number {
  return isByRing(bytes, start) ? readU64(bytes, descriptorOffset(bytes, start) + 16) : 0
}

/** Bytes of a sound message frame if its payload were inline: what a part of a stream costs of its credit. [REQUEST-5] */
export function inlineLength(bytes: Uint8Array, start: number, length: number): number {
  return isByRing(bytes, start) ? length - RING_DESCRIPTOR_BYTES + ringPayloadBytes(bytes, start) : length
}

/** Writes a descriptor into `RING_DESCRIPTOR_BYTES` bytes from `offset`. */
export function writeDescriptor(target: Uint8Array, offset: number, descriptor: RingDescriptor): void {
  writeU32(target, offset, descriptor.segment)
  writeU32(target, offset + 4, 0)
  writeU64(target, offset + 8, descriptor.position)
  writeU64(target, offset + 16, descriptor.length)
  writeU32(target, offset + 24, descriptor.padding)
  writeU32(target, offset + 28, descriptor.restarted ? 1 : 0)
}

/** The descriptor of a sound frame with RING. */
export function readDescriptor(bytes: Uint8Array, start: number): RingDescriptor {
  const offset = descriptorOffset(bytes, start)
  return {
    segment: readU32(bytes, offset),
    position: readU64(bytes, offset + 8),
    length: readU64(bytes, offset + 16),
    padding: readU32(bytes, offset + 24),
    restarted: readU32(bytes, offset + 28) === 1,
  }
}

/** Where in a sound frame with RING the descriptor stands. */
export function descriptorOffset(bytes: Uint8Array, start: number): number {
  return frameLayout(bytes, start).payloadStart
}

/** What RELEASE calls a record: no two that live in one ring have the same. [RING-7] */
export function recordName(position: number): number {
  return position % 0x1_0000_0000
}
