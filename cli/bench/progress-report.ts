/*
 * How far a subscriber of a stream has come, as it tells the publisher on a topic of their own, little-endian:
 *
 *   0                  4        8
 *   | subscriber index | stream | handled |
 *
 * Both ends count the streams that they have had.
 */

const STREAM_OFFSET = 4
const HANDLED_OFFSET = 8
const REPORT_BYTES = 12

export interface ProgressReport {
  readonly index: number
  readonly stream: number
  /** Messages of that stream. */
  readonly handled: number
}

export function newReport(): Buffer {
  return Buffer.alloc(REPORT_BYTES)
}

export function writeReport(report: Buffer, { index, stream, handled }: ProgressReport): void {
  report.writeUInt32LE(index, 0)
  report.writeUInt32LE(stream, STREAM_OFFSET)
  report.writeUInt32LE(handled, HANDLED_OFFSET)
}

export function readReport(report: Buffer): ProgressReport {
  return {
    index: report.readUInt32LE(0),
    stream: report.readUInt32LE(STREAM_OFFSET),
    handled: report.readUInt32LE(HANDLED_OFFSET),
  }
}
