import { granulesOf, type RingSpan } from '../../protocol/index.js'

/** What the book keeps of a span that was committed or aborted. */
export interface BookedSpan {
  /** The ring was empty, and begins anew with this span. */
  readonly restarted: boolean
  /** Where it begins: with its padding, unless it restarted, for that was never taken then. */
  readonly start: number
  /** Where its record begins. */
  readonly position: number
  readonly end: number
  readonly acquired: number
  readonly isFinished: boolean
}

/**
 * The broker's own account of one ring, which alone decides what is free. Positions are granules since the ring
 * began; capacity C is their number in the segment.
 *
 *   … retired | finished | live | ? | live | …       each span from its padding to its end
 *             ^ tail            ^ claimed and not yet committed or aborted, as far as the book can know
 *
 * Empty: nothing is booked. Spans retire from the tail on, in order; a gap at the tail is a claim that is open.
 */
export class RecordBook<Span extends BookedSpan> {
  readonly capacity: number
  /** In the order of their positions, from `#first` on. */
  readonly #spans: Span[] = []
  #first = 0
  #tail = 0
  /** Granules that the spans have skipped. */
  #padding = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Spans that have not retired. */
  get size(): number {
    return this.#spans.length - this.#first
  }

  /** Granules from the tail to the end of the last span, which are not to be had. */
  get occupied(): number {
    if (this.size === 0) return 0
    // More than all of it: there is an open claim at the tail, which has skipped something.
    return Math.min(this.#spans[this.#spans.length - 1]!.end - this.#tail, this.capacity)
  }

  /** The same without padding: what records and open claims need. */
  get needed(): number {
    return this.occupied - this.#padding
  }

  /** The span that holds up the ring; undefined when that is an open claim, or nothing does. */
  get oldest(): Span | undefined {
    const first = this.#spans[this.#first]
    return first !== undefined && first.start === this.#tail ? first : undefined
  }

  /** Every span that has not retired. */
  *spans(): Iterable<Span> {
    for (let index = this.#first; index < this.#spans.length; index++) yield this.#spans[index]!
  }

  /** Says why a client cannot have claimed this span; undefined when it can. [RING-6] */
  fault(span: RingSpan): string | undefined {
    const { position, padding, restarted } = span
    const granules = granulesOf(span.length)
    const offset = position % this.capacity
    const start = position - padding
    const end = position + granules
    if (granules < 1 || granules > this.capacity) return `${span.length} bytes never fit it`
    if (offset + granules > this.capacity) return 'it reaches beyond the end of the segment'
    if (padding > 0 && (offset !== 0 || padding >= this.capacity)) return 'its padding leads nowhere'
    if (start < this.#tail) return 'it lies before what is in use'
    if (restarted && start !== this.#tail) return 'the ring was not empty when it restarted'
    if (end > this.#limit(start, restarted)) return 'it lies beyond what is free'
    if (this.#overlaps(start, end)) return 'it overlaps another record'
    // Only a ring that restarted reaches so far that this can be; unless it did, the same memory is claimed twice.
    if (this.#meetsRecord(position - this.capacity, end - this.capacity)) return 'its memory is in use'
    if (this.#meetsRecord(position + this.capacity, end + this.capacity)) return 'its memory is in use'
    return undefined
  }

  /** Books a span in which `fault` finds none. */
  add(span: Span): void {
    // What a restart skips was never taken, and is of no concern from now on.
    if (span.restarted) this.#tail = span.start
    this.#padding += span.position - span.start
    const index = this.#indexAfter(span.start)
    if (index === this.#spans.length) this.#spans.push(span)
    else this.#spans.splice(index, 0, span)
  }

  /** Moves the tail over what is finished; returns the granules that are free again, for the semaphore. */
  retire(): number {
    let freed = 0
    for (let oldest = this.oldest; oldest?.isFinished; oldest = this.oldest) {
      this.#tail = oldest.end
      this.#padding -= oldest.position - oldest.start
      freed += oldest.acquired
      this.#first += 1
    }
    this.#compact()
    return freed
  }

  /** How far a span may reach. A restart, and so maybe an open claim at the tail, leaves the segment's rest out. */
  #limit(start: number, restarted: boolean): number {
    const isOpenAtTail = start !== this.#tail && this.oldest === undefined
    const base = restarted || isOpenAtTail ? roundUp(this.#tail, this.capacity) : this.#tail
    return base + this.capacity
  }

  #overlaps(start: number, end: number): boolean {
    const index = this.#indexAfter(start)
    const before = index > this.#first ? this.#spans[index - 1] : undefined
    const after = this.#spans[index]
    return (before !== undefined && before.end > start) || (after !== undefined && after.start < end)
  }

  /** Whether a record lies there: what a restart skipped is free. */
  #meetsRecord(start: number, end: number): boolean {
    const index = this.#indexAfter(start)
    const before = index > this.#first ? this.#spans[index - 1] : undefined
    const after = this.#spans[index]
    return (
      (before !== undefined && before.position < end && before.end > start) ||
      (after !== undefined && after.position < end)
    )
  }

  /** The index of the first span that starts behind a position. */
  #indexAfter(position: number): number {
    let low = this.#first
    let high = this.#spans.length
    // Most spans are booked in the order of their positions.
    if (low === high || this.#spans[high - 1]!.start <= position) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#spans[middle]!.start <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  #compact(): void {
    if (this.#first < 32 || this.#first * 2 < this.#spans.length) return
    this.#spans.splice(0, this.#first)
    this.#first = 0
  }
}

/** Whether a span begins with padding that a restart skipped, and that was never taken. */
function roundUp(position: number, capacity: number): number {
  return Math.ceil(position / capacity) * capacity
}
