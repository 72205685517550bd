import { descriptorOffset, Flag, Offset, paddedLength, readU32, writeU32 } from '../../protocol/index.js'
import type { InlineFrame, RingRecord } from './ring-record.js'
import type { Segment } from './segment.js'

/**
 * The frame with its payload in it, for a client that gets the record by socket: options and encoding as the
 * publisher wrote them, without RING. Made once for all clients of a message. [RING-11]
 */
export function inlineForm(record: RingRecord<Segment>, bytes: Buffer, start: number): InlineFrame {
  const made = record.inline
  if (made !== undefined && hasSameAddress(made.bytes, bytes, start)) return made
  const payloadStart = descriptorOffset(bytes, start) - start
  const length = payloadStart + record.length
  const frame = Buffer.allocUnsafeSlow(paddedLength(length))
  bytes.copy(frame, 0, start, start + payloadStart)
  writeU32(frame, Offset.LENGTH, length)
  frame[Offset.FLAGS]! &= ~Flag.RING
  const payload = frame.subarray(payloadStart, length)
  if (made === undefined) record.segment.read(record, payload)
  else made.bytes.copy(payload, 0, made.payloadStart, made.length)
  frame.fill(0, length)
  const inline = { bytes: frame, length, payloadStart }
  record.inline ??= inline
  return inline
}

/** Requests bear another id for each responder that they are given to. */
function hasSameAddress(made: Buffer, bytes: Buffer, start: number): boolean {
  return (
    readU32(made, Offset.TOPIC) === readU32(bytes, start + Offset.TOPIC) &&
    readU32(made, Offset.ID) === readU32(bytes, start + Offset.ID) &&
    made[Offset.PRIORITY] === bytes[start + Offset.PRIORITY]
  )
}
