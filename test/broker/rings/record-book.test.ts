import test from 'ava'
import fc from 'fast-check'
import { AbortedSpan } from '../../../broker/rings/aborted-span.js'
import { type BookedSpan, RecordBook } from '../../../broker/rings/record-book.js'
import { GRANULE_BYTES, granulesOf, type RingSpan } from '../../../protocol/index.js'

/** A record as the book sees one: over when the test says so. */
class TestSpan implements BookedSpan {
  readonly span: RingSpan
  isFinished = false

  constructor(span: RingSpan) {
    this.span = span
  }

  get restarted(): boolean {
    return this.span.restarted
  }

  get start(): number {
    return this.restarted ? this.span.position : this.span.position - this.span.padding
  }

  get position(): number {
    return this.span.position
  }

  get end(): number {
    return this.span.position + granulesOf(this.span.length)
  }

  get acquired(): number {
    return granulesOf(this.span.length) + (this.span.restarted ? 0 : this.span.padding)
  }
}

function spanOf(position: number, granules: number, padding = 0, restarted = false): RingSpan {
  return { position, length: granules * GRANULE_BYTES, padding, restarted }
}

/** A publisher that keeps to the protocol, and the semaphore between it and the book. */
class HonestOwner {
  readonly capacity: number
  readonly book: RecordBook<TestSpan | AbortedSpan>
  count: number
  readonly open: RingSpan[] = []
  readonly live: TestSpan[] = []
  #head = 0
  /** Who has each granule of the data area: nobody may be given one twice. */
  readonly #memory: (RingSpan | undefined)[]

  constructor(capacity: number) {
    this.capacity = capacity
    this.count = capacity
    this.book = new RecordBook(capacity)
    this.#memory = new Array(capacity).fill(undefined)
  }

  /** The table of [RING-6]. */
  plan(granules: number): { span: RingSpan; takes: number } | undefined {
    const offset = this.#head % this.capacity
    const rest = this.capacity - offset
    if (granules > this.capacity) return undefined
    if (this.count === this.capacity && offset > 0) {
      return { span: spanOf(this.#head + rest, granules, rest, true), takes: granules }
    }
    if (granules <= rest) return { span: spanOf(this.#head, granules), takes: granules }
    if (rest + granules <= this.capacity) {
      return { span: spanOf(this.#head + rest, granules, rest), takes: rest + granules }
    }
    return undefined
  }

  claim(granules: number): void {
    const plan = this.plan(granules)
    if (plan === undefined || plan.takes > this.count) return
    this.count -= plan.takes
    this.#head = plan.span.position + granules
    this.open.push(plan.span)
    for (const granule of this.#granulesOf(plan.span)) {
      if (this.#memory[granule] !== undefined) throw new Error(`granule ${granule} was given out twice`)
      this.#memory[granule] = plan.span
    }
  }

  commit(span: RingSpan): void {
    this.#declare(span)
    const record = new TestSpan(span)
    this.live.push(record)
    this.book.add(record)
  }

  abort(span: RingSpan): void {
    this.#declare(span)
    this.#vacate(span)
    this.book.add(new AbortedSpan(span))
  }

  finish(record: TestSpan): void {
    record.isFinished = true
    this.#vacate(record.span)
  }

  /** Granules of spans in the book that have not retired. */
  get booked(): number {
    return [...this.book.spans()].reduce((sum, { acquired }) => sum + acquired, 0)
  }

  get claimed(): number {
    return this.open.reduce(
      (sum, { length, padding, restarted }) => sum + granulesOf(length) + (restarted ? 0 : padding),
      0,
    )
  }

  #declare(span: RingSpan): void {
    const fault = this.book.fault(span)
    if (fault !== undefined) throw new Error(`an honest span was refused: ${JSON.stringify(span)}: ${fault}`)
  }

  #vacate(span: RingSpan): void {
    for (const granule of this.#granulesOf(span)) this.#memory[granule] = undefined
  }

  #granulesOf({ position, length }: RingSpan): number[] {
    return Array.from({ length: granulesOf(length) }, (_, index) => (position + index) % this.capacity)
  }
}

type Step =
  | { readonly does: 'claim'; readonly granules: number }
  | { readonly does: 'commit' | 'abort' | 'finish' | 'retire'; readonly which: number }

const capacities = fc.constantFrom(1, 2, 3, 7, 8, 16, 31)
const granules = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 31 }))
const which = fc.nat(1000)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ does: fc.constant('claim' as const), granules }),
  fc.record({ does: fc.constant('commit' as const), which }),
  fc.record({ does: fc.constant('commit' as const), which }),
  fc.record({ does: fc.constant('abort' as const), which }),
  fc.record({ does: fc.constant('finish' as const), which }),
  fc.record({ does: fc.constant('finish' as const), which }),
  fc.record({ does: fc.constant('retire' as const), which }),
  fc.record({ does: fc.constant('retire' as const), which }),
)

function take<Item>(items: Item[], which: number): Item | undefined {
  return items.length === 0 ? undefined : items.splice(which % items.length, 1)[0]
}

function perform(owner: HonestOwner, does: Step): void {
  if (does.does === 'claim') return owner.claim(Math.min(does.granules, owner.capacity))
  if (does.does === 'retire') {
    owner.count += owner.book.retire()
    return
  }
  if (does.does === 'finish') {
    const record = take(owner.live, does.which)
    if (record !== undefined) owner.finish(record)
    return
  }
  const span = take(owner.open, does.which)
  if (span !== undefined) owner[does.does](span)
}

test('[RING-6] [RING-7] an honest owner is never refused, and every granule is free, claimed or booked, at every step', (t) => {
  fc.assert(
    fc.property(capacities, fc.array(step, { maxLength: 200 }), (capacity, steps) => {
      const owner = new HonestOwner(capacity)
      for (const does of steps) {
        perform(owner, does)
        t.is(owner.count + owner.claimed + owner.booked, capacity)
        t.true(owner.book.occupied >= owner.booked && owner.book.occupied <= capacity)
        if (owner.open.length === 0) t.is(owner.book.occupied, capacity - owner.count)
      }
      for (const span of owner.open.splice(0)) owner.commit(span)
      for (const record of owner.live.splice(0)) owner.finish(record)
      owner.count += owner.book.retire()
      t.is(owner.count, capacity)
      t.is(owner.book.size, 0)
      t.is(owner.book.occupied, 0)
    }),
    { numRuns: 3000, seed: 6, endOnFailure: false },
  )
})

test('a book that is used for long keeps nothing of what has retired', (t) => {
  const owner = new HonestOwner(31)
  const retired: TestSpan[] = []
  for (let round = 0; round < 2000; round++) {
    owner.claim(1 + (round % 5))
    for (const span of owner.open.splice(0)) owner.commit(span)
    if (owner.live.length > 2) retired.push(owner.live[0]!)
    if (owner.live.length > 2) owner.finish(owner.live.shift()!)
    owner.count += owner.book.retire()
    t.true(owner.book.size <= 3)
    t.deepEqual([...owner.book.spans()], owner.live)
  }
  t.is(retired.length, 1998)
})

test('[RING-6] a ring that restarted gives out what its padding skipped, while the record behind it lives', (t) => {
  const book = new RecordBook<TestSpan>(16)
  const first = new TestSpan(spanOf(0, 10))
  book.add(first)
  first.isFinished = true
  t.is(book.retire(), 10)
  // Empty at 10: the ring begins anew, and all of its 16 granules are to be had.
  const restarted = new TestSpan(spanOf(16, 4, 6, true))
  t.is(book.fault(restarted.span), undefined)
  book.add(restarted)
  t.is(book.fault(spanOf(20, 12)), undefined)
  t.is(book.fault(spanOf(20, 13)), 'it reaches beyond the end of the segment')
  book.add(new TestSpan(spanOf(20, 12)))
  t.is(book.fault(spanOf(32, 1)), 'it lies beyond what is free')
  restarted.isFinished = true
  t.is(book.retire(), 4)
  t.is(book.fault(spanOf(32, 4)), undefined)
  t.is(book.fault(spanOf(32, 5)), 'it lies beyond what is free')
})

test('[RING-6] a claim that is committed late leaves room for those that are committed before it', (t) => {
  const book = new RecordBook<TestSpan>(16)
  const first = new TestSpan(spanOf(0, 10))
  book.add(first)
  first.isFinished = true
  book.retire()
  // Not declared yet: the restart at 10. What was claimed after it comes first, up to the last granule.
  t.is(book.fault(spanOf(20, 12)), undefined)
  book.add(new TestSpan(spanOf(20, 12)))
  t.is(book.oldest, undefined)
  t.is(book.retire(), 0)
  t.is(book.fault(spanOf(16, 4, 6, true)), undefined)
})

/** Two records at 4..8 and 12..14 of 16 granules; 0..4 has retired, 8..12 is claimed. */
function busyBook(): RecordBook<TestSpan> {
  const book = new RecordBook<TestSpan>(16)
  for (const [position, granules] of [
    [0, 4],
    [4, 4],
    [12, 2],
  ] as const) {
    const record = new TestSpan(spanOf(position, granules))
    record.isFinished = position === 0
    book.add(record)
  }
  book.retire()
  return book
}

const LIES: [title: string, span: RingSpan, fault: string][] = [
  ['no bytes at all', spanOf(14, 0), '0 bytes never fit it'],
  ['more than the ring has', spanOf(16, 17, 2), '1088 bytes never fit it'],
  ['2^53 - 1 bytes', { ...spanOf(14, 1), length: 2 ** 53 - 1 }, '9007199254740991 bytes never fit it'],
  ['a record across the end of the segment', spanOf(14, 3), 'it reaches beyond the end of the segment'],
  ['padding in the middle of the segment', spanOf(14, 1, 1), 'its padding leads nowhere'],
  ['padding as long as the ring', spanOf(32, 1, 16), 'its padding leads nowhere'],
  ['what has retired', spanOf(0, 4), 'it lies before what is in use'],
  ['padding that begins in what has retired', spanOf(16, 1, 13), 'it lies before what is in use'],
  ['a position before the ring began', spanOf(0, 1, 1), 'it lies before what is in use'],
  [
    'a restart of a ring that is not empty',
    spanOf(16, 1, 2, true),
    'the ring was not empty when it restarted',
  ],
  ['a restart without padding, elsewhere', spanOf(8, 1, 0, true), 'the ring was not empty when it restarted'],
  ['memory that is not free yet', spanOf(20, 1), 'it lies beyond what is free'],
  ['one granule too many', spanOf(16, 5, 2), 'it lies beyond what is free'],
  ['a position that no ring has reached', spanOf(2 ** 53 - 16, 1), 'it lies beyond what is free'],
  ['the same record again', spanOf(4, 4), 'it overlaps another record'],
  ['the end of another record', spanOf(7, 2), 'it overlaps another record'],
  ['the start of another record', spanOf(11, 2), 'it overlaps another record'],
  ['what contains another record', spanOf(11, 5), 'it overlaps another record'],
  ['padding over another record', spanOf(16, 1, 4), 'it overlaps another record'],
]

for (const [title, span, fault] of LIES) {
  test(`[RING-6] a span is refused: ${title}`, (t) => {
    t.is(busyBook().fault(span), fault)
  })
}

test('[RING-6] memory of a record that lives is refused at another position, one round later', (t) => {
  const book = new RecordBook<TestSpan>(16)
  for (const position of [0, 4]) {
    const record = new TestSpan(spanOf(position, 4))
    record.isFinished = position === 0
    book.add(record)
  }
  book.retire()
  const record = book.oldest!
  record.isFinished = true
  book.retire()
  // The tail is at 8, and nothing is declared there: it may be a restart, so that positions up to 32 are to be had.
  book.add(new TestSpan(spanOf(12, 2)))
  t.is(book.fault(spanOf(28, 2)), 'its memory is in use')
  t.is(book.fault(spanOf(29, 1)), 'its memory is in use')
  t.is(book.fault(spanOf(30, 1)), undefined)
  const other = new RecordBook<TestSpan>(16)
  other.add(new TestSpan(spanOf(12, 2)))
  other.add(new TestSpan(spanOf(0, 8)))
  ;[...other.spans()][0]!.isFinished = true
  other.retire()
  other.add(new TestSpan(spanOf(14, 2)))
  t.is(other.fault(spanOf(16, 4)), undefined)
})

/** The rules of [RING-6], as they stand there, without a thought for speed. */
function isRefused(capacity: number, tail: number, spans: readonly TestSpan[], span: RingSpan): boolean {
  const { position, padding, restarted } = span
  const granules = granulesOf(span.length)
  const [start, end] = [position - padding, position + granules]
  const nextRound = Math.ceil(tail / capacity) * capacity
  const atTail = start === tail ? span : spans.find((other) => other.start === tail)?.span
  const limit = (atTail === undefined || atTail.restarted ? nextRound : tail) + capacity
  const cells = (from: number, to: number) =>
    new Set(Array.from({ length: to - from }, (_, index) => (from + index) % capacity))
  const clashes = ({ start: otherStart, position: otherPosition, end: otherEnd }: TestSpan) => {
    const memory = cells(otherPosition, otherEnd)
    return (
      (start < otherEnd && otherStart < end) || [...cells(position, end)].some((cell) => memory.has(cell))
    )
  }
  return (
    granules < 1 ||
    granules > capacity ||
    (position % capacity) + granules > capacity ||
    (padding > 0 && (padding >= capacity || position % capacity !== 0)) ||
    (restarted && start !== tail) ||
    start < tail ||
    end > limit ||
    spans.some(clashes)
  )
}

/** Most of them nearly right: behind another span, or padded up to where the ring begins anew. */
const wildSpan = fc.record({
  from: fc.nat(20),
  ahead: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, 5, -1),
  granules: fc.constantFrom(1, 1, 2, 2, 3, 5, 0, 9),
  padded: fc.constantFrom(false, false, false, true),
  excess: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 3),
  restarted: fc.constantFrom(false, false, true),
  finishes: fc.nat(4),
})

test('[RING-6] of whatever spans a liar declares, exactly those are booked that the rules allow', (t) => {
  let booked = 0
  fc.assert(
    fc.property(
      fc.constantFrom(4, 7, 8),
      fc.array(wildSpan, { minLength: 40, maxLength: 60 }),
      (capacity, wishes) => {
        const book = new RecordBook<TestSpan>(capacity)
        let tail = 0
        for (const { from, ahead, granules, padded, excess, restarted, finishes } of wishes) {
          const places = [tail, ...[...book.spans()].map(({ end }) => end)]
          const start = Math.max(0, places[from % places.length]! + ahead)
          const position = padded ? Math.ceil(start / capacity) * capacity : start
          const span = spanOf(position, granules, position - start + excess, restarted)
          const spans = [...book.spans()]
          t.is(
            book.fault(span) !== undefined,
            isRefused(capacity, tail, spans, span),
            JSON.stringify({ capacity, tail, span, spans: spans.map(({ span }) => span) }),
          )
          if (book.fault(span) === undefined) {
            book.add(new TestSpan(span))
            booked += 1
            // What it skips is free from now on.
            if (restarted) tail = position
          }
          if (finishes === 0) for (const other of book.spans()) other.isFinished = true
          else for (const other of [...book.spans()].slice(0, finishes - 1)) other.isFinished = true
          const before = [...book.spans()]
          book.retire()
          const after = [...book.spans()]
          const gone = before.filter((other) => !after.includes(other))
          if (gone.length > 0) tail = gone[gone.length - 1]!.end
        }
      },
    ),
    { numRuns: 3000, seed: 66 },
  )
  t.true(booked > 5000, `${booked} spans were booked`)
})
