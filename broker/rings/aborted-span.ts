import { granulesOf, type RingSpan } from '../../protocol/index.js'
import type { BookedSpan } from './record-book.js'

/** A claim that its owner gave up: it only waits for its turn to retire. */
export class AbortedSpan implements BookedSpan {
  readonly restarted: boolean
  readonly start: number
  readonly position: number
  readonly end: number
  readonly acquired: number
  readonly isFinished = true

  constructor(span: RingSpan) {
    const granules = granulesOf(span.length)
    this.restarted = span.restarted
    this.start = span.restarted ? span.position : span.position - span.padding
    this.position = span.position
    this.end = span.position + granules
    this.acquired = span.restarted ? granules : granules + span.padding
  }
}
