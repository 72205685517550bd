import test from 'ava'
import { makePayloads, StreamCheck, StreamNumbering } from '../../bench/payload.js'

const SIZES = [16, 128, 1024, 4096]

/** Payloads of one sequence; the last one says how many there are. */
function stream(payloadBytes: number, count: number, sequence = 0): Buffer[] {
  const numbering = new StreamNumbering(sequence + 1, payloadBytes)
  return makePayloads(count, payloadBytes).map((payload, index) => {
    numbering.stamp(payload, sequence, index + 1 === count ? count : 0)
    return payload
  })
}

function faultsOf(payloadBytes: number, payloads: readonly Buffer[]): number {
  const check = new StreamCheck(1, payloadBytes)
  for (const payload of payloads) check.accept(payload)
  return check.faults
}

for (const bytes of SIZES) {
  test(`a stream of ${bytes} B is complete with the last payload, and not before`, (t) => {
    const check = new StreamCheck(1, bytes)
    const payloads = stream(bytes, 40)
    for (const payload of payloads.slice(0, -1)) check.accept(payload)
    t.false(check.isComplete)
    check.accept(payloads.at(-1)!)
    t.true(check.isComplete)
    t.is(check.faults, 0)
    t.is(check.received, 40)
  })

  test(`a payload of ${bytes} B that is missing, twice there or out of order is a fault`, (t) => {
    const [first, second, third, ...others] = stream(bytes, 6) as [Buffer, Buffer, Buffer, ...Buffer[]]
    t.is(faultsOf(bytes, [first, third, ...others]), 1)
    t.true(faultsOf(bytes, [first, second, second, third, ...others]) > 0)
    t.true(faultsOf(bytes, [second, first, third, ...others]) > 0)
  })

  test(`a field of ${bytes} B that is damaged is a fault`, (t) => {
    const fields = [0, 1, 2, 3, 4, 7, bytes - 4, bytes - 1]
    for (const offset of fields) {
      const payloads = stream(bytes, 3)
      payloads[1]![offset]! ^= 1
      t.true(faultsOf(bytes, payloads) > 0, `byte ${offset}`)
    }
  })

  test(`a payload of another length than ${bytes} B is a fault`, (t) => {
    t.is(faultsOf(bytes, [stream(bytes + 4, 1)[0]!]), 1)
  })
}

test('a count that is damaged is a fault', (t) => {
  const payloads = stream(16, 2)
  payloads[1]![8]! ^= 1
  t.is(faultsOf(16, payloads), 1)
})

test('a stamp of a large payload that is damaged is a fault, and any byte of one that is compared wholly', (t) => {
  const stamped = stream(1024, 3)
  stamped[1]![64]! ^= 1
  t.is(faultsOf(1024, stamped), 1)
  const whole = stream(1024, 3)
  whole[0]![100]! ^= 1
  t.is(faultsOf(1024, whole), 1)
})

test('sequences are numbered on their own, and may overtake one another', (t) => {
  const numbering = new StreamNumbering(2, 16)
  const payloads = makePayloads(4, 16)
  for (const [index, payload] of payloads.entries()) numbering.stamp(payload, index % 2, index === 3 ? 4 : 0)
  const check = new StreamCheck(2, 16)
  const sequences = [1, 3, 0, 2].map((index) => check.accept(payloads[index]!))
  t.deepEqual(sequences, [1, 1, 0, 0])
  t.is(check.faults, 0)
  t.true(check.isComplete)
})

test('a stream of several publishers is complete with the last payloads of all', (t) => {
  const check = new StreamCheck(2, 16, { publishers: 2 })
  for (const payload of stream(16, 3, 0)) check.accept(payload)
  t.false(check.isComplete)
  for (const payload of stream(16, 5, 1)) check.accept(payload)
  t.true(check.isComplete)
  t.is(check.faults, 0)
})

test('a payload of a sequence that the stream does not have is a fault', (t) => {
  const check = new StreamCheck(1, 16)
  check.accept(stream(16, 1, 1)[0]!)
  t.is(check.faults, 1)
})

test('where gaps are allowed, what is missing is no fault, and what comes again is', (t) => {
  const [first, second, third] = stream(16, 3) as [Buffer, Buffer, Buffer]
  const check = new StreamCheck(1, 16, { gapsAllowed: true })
  check.accept(first)
  check.accept(third)
  t.is(check.faults, 0)
  check.accept(second)
  t.is(check.faults, 1)
})
