import {
  type ErrorCode,
  FrameDecoder,
  type FrameFault,
  type Kind,
  Offset,
  PAYLOAD_BYTES_MAX_DEFAULT,
  RingbusError,
  readU32,
  topicFault,
} from '../../protocol/index.js'
import { type DescribedFrame, describe } from './described-frame.js'

export interface ReadStream {
  readonly frames: Required<DescribedFrame>[]
  readonly fault: FrameFault | undefined
}

/** Reads a stream as a receiver does that decodes each frame whole: up to its first fault. */
export function readStream(
  from: 'client' | 'broker',
  chunks: readonly Buffer[],
  payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT,
): ReadStream {
  const frames: Required<DescribedFrame>[] = []
  const sink = {
    frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
      try {
        frames.push(describe(bytes, start, length))
      } catch (error) {
        if (error instanceof RingbusError) return faultOf(error.code, error.message, bytes, start)
        throw error
      }
      const last = frames.at(-1)!
      const wrong = last.kind === 'TOPIC' ? topicFault(last.name) : undefined
      return wrong === undefined ? undefined : faultOf('BAD_TOPIC', wrong, bytes, start)
    },
  }
  const decoder = new FrameDecoder(sink, { from, payloadBytesMax })
  let fault: FrameFault | undefined
  // A decoder owns the chunks that it is given, so that it gets copies.
  for (const chunk of chunks) fault ??= decoder.push(Buffer.from(chunk))
  return { frames, fault }
}

function faultOf(code: ErrorCode, message: string, bytes: Buffer, start: number): FrameFault {
  const kind = bytes[start + Offset.KIND] as Kind
  return { code, message, kind, id: readU32(bytes, start + Offset.ID) }
}

/** The ways to cut `bytes`: whole, in two at every place, and byte by byte. */
export function* everyCut(bytes: Buffer): Generator<Buffer[]> {
  yield [bytes]
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield byteByByte(bytes)
}

export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}
