import { isUtf8 } from 'node:buffer'
import { RingbusError } from '../client/index.js'

/** The longest line: the largest payload of a broker as it is set up by default. `--raw` takes more. */
const LINE_BYTES_MAX = 64 * 1024 * 1024

/** The most that `--raw` reads: no broker accepts a larger payload. */
const INPUT_BYTES_MAX = 1024 * 1024 * 1024

const NEWLINE = 0x0a

/** Standard input, until its end or until `signal` says that no more is wanted. */
async function* inputChunks(signal: AbortSignal): AsyncGenerator<Buffer> {
  const { stdin } = process
  const stop = (): void => void stdin.destroy()
  if (signal.aborted) return
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of stdin) yield chunk as Buffer
  } catch (error) {
    // A stream that is destroyed before its end fails; here that was the intention.
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * The lines of standard input, without their newlines, in batches as they arrive. A last line without a newline
 * is a line as well. Throws MESSAGE_TOO_LARGE for a line that no broker would take.
 */
export async function* inputLines(signal: AbortSignal): AsyncGenerator<Buffer[]> {
  let begun: Buffer[] = []
  let begunBytes = 0
  for await (const chunk of inputChunks(signal)) {
    const lines: Buffer[] = []
    let lineStart = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, lineStart)) {
      lines.push(joined(begun, chunk.subarray(lineStart, end)))
      begun = []
      begunBytes = 0
      lineStart = end + 1
    }
    if (lineStart < chunk.length) {
      begun.push(chunk.subarray(lineStart))
      begunBytes += chunk.length - lineStart
    }
    if (begunBytes > LINE_BYTES_MAX) throw tooLarge('A line', LINE_BYTES_MAX)
    if (lines.length > 0) yield lines
  }
  if (begun.length > 0 && !signal.aborted) yield [Buffer.concat(begun)]
}

/** All of standard input. */
export async function wholeInput(signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of inputChunks(signal)) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > INPUT_BYTES_MAX) throw tooLarge('Standard input', INPUT_BYTES_MAX)
  }
  return Buffer.concat(chunks)
}

/** What is text travels as text, anything else as bytes: the receiver is told which. */
export function textOrBytes(bytes: Buffer): string | Buffer {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes
}

/** Parses a payload given as JSON; `where` names it for the message. */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RingbusError('ENCODE_FAILED', `${where} is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function joined(begun: readonly Buffer[], rest: Buffer): Buffer {
  return begun.length === 0 ? rest : Buffer.concat([...begun, rest])
}

function tooLarge(what: string, bytesMax: number): RingbusError {
  return new RingbusError('MESSAGE_TOO_LARGE', `${what} has more than ${bytesMax} bytes`, {
    details: { bytesMax },
  })
}
