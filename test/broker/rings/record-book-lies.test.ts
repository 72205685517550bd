import test from 'ava'
import fc from 'fast-check'
import { type BookedSpan, RecordBook } from '../../../broker/rings/record-book.js'
import { GRANULE_BYTES, type RingSpan } from '../../../protocol/index.js'

const SEED = 20_261_122
const RUNS = 3000

/** A span in the book, which the test finishes. */
class Booked implements BookedSpan {
  readonly restarted: boolean
  readonly start: number
  readonly position: number
  readonly end: number
  readonly acquired: number
  isFinished = false

  constructor({ position, length, padding, restarted }: RingSpan) {
    const granules = length / GRANULE_BYTES
    this.restarted = restarted
    this.start = restarted ? position : position - padding
    this.position = position
    this.end = position + granules
    this.acquired = restarted ? granules : granules + padding
  }
}

/** An owner that claims as the page says; `count` is the semaphore. [RING-6] */
class Owner {
  readonly #capacity: number
  #head = 0
  count: number
  readonly open: RingSpan[] = []
  restarts = 0

  constructor(capacity: number) {
    this.#capacity = capacity
    this.count = capacity
  }

  claim(granules: number): void {
    const offset = this.#head % this.#capacity
    const rest = this.#capacity - offset
    const restarted = this.count === this.#capacity && offset > 0
    const padding = restarted || granules > rest ? rest : 0
    const taken = restarted ? granules : granules + padding
    if (taken > this.count) return
    if (restarted) this.restarts += 1
    this.count -= taken
    const position = this.#head + padding
    this.#head = position + granules
    this.open.push({ position, length: granules * GRANULE_BYTES, padding, restarted })
  }
}

const capacities = fc.integer({ min: 2, max: 9 })

test('[RING-6] claims that are made as the page says are booked, in whatever order they are committed', (t) => {
  const step = fc.record({ act: fc.constantFrom('claim', 'commit', 'finish'), which: fc.nat(8) })
  let restarts = 0
  const everyClaimIsBooked = (capacity: number, steps: readonly { act: string; which: number }[]) => {
    const owner = new Owner(capacity)
    const book = new RecordBook<Booked>(capacity)
    const live: Booked[] = []
    for (const { act, which } of steps) {
      if (act === 'claim') owner.claim(1 + (which % capacity))
      else if (act === 'commit' && owner.open.length > 0) {
        const [span] = owner.open.splice(which % owner.open.length, 1)
        t.is(book.fault(span!), undefined)
        live.push(new Booked(span!))
        book.add(live.at(-1)!)
      } else if (act === 'finish' && live.length > 0) {
        live.splice(which % live.length, 1)[0]!.isFinished = true
        owner.count += book.retire()
      }
    }
    restarts += owner.restarts
    for (const span of owner.open) book.add(new Booked(span))
    for (const span of book.spans()) span.isFinished = true
    t.is(owner.count + book.retire(), capacity)
  }
  fc.assert(fc.property(capacities, fc.array(step, { minLength: 20, maxLength: 80 }), everyClaimIsBooked), {
    seed: SEED,
    numRuns: RUNS,
  })
  t.true(restarts > RUNS / 10, `${restarts} restarts`)
})

/** Spans that an owner might make up: from somewhere behind `base`, with padding up to where the ring begins. */
const fabrications = fc.record({
  ahead: fc.oneof(fc.constant(0), fc.nat(12)),
  granules: fc.integer({ min: 1, max: 6 }),
  turns: fc.boolean(),
  restarted: fc.boolean(),
  finishes: fc.nat(6),
})
type Fabrication = typeof fabrications extends fc.Arbitrary<infer F> ? F : never

function fabricated(
  base: number,
  capacity: number,
  { ahead, granules, turns, restarted }: Fabrication,
): RingSpan {
  const start = base + ahead
  const position = turns ? Math.ceil(start / capacity) * capacity : start
  return { position, length: granules * GRANULE_BYTES, padding: position - start, restarted }
}

test('[RING-6] whatever an owner makes up, no two records that are booked share memory', (t) => {
  let accepted = 0
  let refusedForMemory = 0
  const noMemoryIsShared = (capacity: number, made: readonly Fabrication[]) => {
    const book = new RecordBook<Booked>(capacity)
    let base = 0
    for (const fabrication of made) {
      const span = fabricated(base, capacity, fabrication)
      const inUse = new Set<number>()
      for (const { position, end, isFinished } of book.spans()) {
        for (let at = position; at < end && !isFinished; at++) inUse.add(at % capacity)
      }
      const fault = book.fault(span)
      if (fault === undefined) {
        const booked = new Booked(span)
        for (let at = booked.position; at < booked.end; at++) t.false(inUse.has(at % capacity))
        book.add(booked)
        accepted += 1
      } else if (/memory/.test(fault)) refusedForMemory += 1
      const spans = [...book.spans()]
      if (spans.length > 0) spans[fabrication.finishes % spans.length]!.isFinished = true
      book.retire()
      for (const { end } of spans.slice(0, spans.length - book.size)) base = end
    }
  }
  fc.assert(
    fc.property(capacities, fc.array(fabrications, { minLength: 20, maxLength: 60 }), noMemoryIsShared),
    {
      seed: SEED,
      numRuns: RUNS,
    },
  )
  t.true(accepted > RUNS && refusedForMemory > 100, `${accepted} accepted, ${refusedForMemory} refused`)
})

/** A book of 8 granules whose tail is 11: a restart at 16 would have a padding of 5. */
function bookAt11(): RecordBook<Booked> {
  const book = new RecordBook<Booked>(8)
  for (const [position, granules] of [
    [0, 8],
    [8, 3],
  ] as const) {
    const booked = new Booked(span(position, granules))
    booked.isFinished = true
    book.add(booked)
  }
  book.retire()
  return book
}

function span(position: number, granules: number, padding = 0, restarted = false): RingSpan {
  return { position, length: granules * GRANULE_BYTES, padding, restarted }
}

const impossible: readonly [string, RingSpan, RegExp][] = [
  ['is empty', span(11, 0), /never fit/],
  ['is larger than the ring', span(16, 9), /never fit/],
  ['reaches beyond the end of the data area', span(14, 3), /end of the segment/],
  ['has a padding that does not end where the ring begins', span(13, 1, 2), /padding/],
  ['has a padding as long as the ring', span(24, 1, 8), /padding/],
  ['begins before the tail', span(10, 1), /before/],
  ['has a padding that begins before the tail', span(16, 1, 6), /before/],
  ['restarted although the ring was not empty', span(16, 1, 4, true), /restarted/],
  ['lies beyond what can be free', span(24, 1), /beyond what is free/],
]

for (const [fault, made, message] of impossible) {
  test(`[RING-6] a span is refused that ${fault}`, (t) => {
    t.regex(bookAt11().fault(made) ?? 'none', message)
  })
}

test('[RING-6] behind a restart the ring has its whole capacity, and no more', (t) => {
  const book = bookAt11()
  book.add(new Booked(span(16, 2, 5, true)))
  t.is(book.fault(span(18, 6)), undefined)
  t.is(book.fault(span(23, 1)), undefined)
  t.regex(book.fault(span(24, 1)) ?? 'none', /beyond what is free/)
  t.regex(book.fault(span(17, 2)) ?? 'none', /overlaps/)
})
