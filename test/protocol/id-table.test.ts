import test from 'ava'
import fc from 'fast-check'
import { IdTable } from '../../protocol/index.js'

interface Entry {
  readonly name: string
}

function namesOf(entries: readonly Entry[]): string[] {
  return entries.map(({ name }) => name).toSorted()
}

/** Ids that share their low bits, so that they want the same place, and some that do not. */
const ids = fc.oneof(
  fc.nat(40),
  fc.nat(6).map((high) => (high << 20) >>> 0),
  fc.nat(6).map((step) => 15 + 16 * step),
  fc.constantFrom(0, 0xffff_ffff, 0x8000_0000),
)

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant('set' as const), id: ids }) },
    { weight: 5, arbitrary: fc.record({ op: fc.constant('delete' as const), id: ids }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('clear' as const), id: ids }) },
  ),
  { maxLength: 200 },
)

test('an id table is a Map of u32 ids', (t) => {
  fc.assert(
    fc.property(steps, (list) => {
      const table = new IdTable<Entry>()
      const model = new Map<number, Entry>()
      for (const [index, { op, id }] of list.entries()) {
        const entry = { name: `${index}` }
        if (op === 'clear') {
          table.clear()
          model.clear()
        } else if (op === 'set') {
          table.set(id, entry)
          model.set(id, entry)
        } else {
          t.is(table.delete(id), model.delete(id))
        }
        t.is(table.size, model.size)
        t.is(table.get(id), model.get(id))
        t.is(table.has(id), model.has(id))
      }
      for (const [id, entry] of model) t.is(table.get(id), entry)
      t.deepEqual(namesOf(table.values()), namesOf([...model.values()]))
    }),
    { numRuns: 500 },
  )
})

test('an id table that was large finds what is left in it, and takes more', (t) => {
  const table = new IdTable<Entry>()
  const count = 50_000
  const idOf = (index: number) => (index * 7919) >>> 0
  for (let index = 0; index < count; index++) table.set(idOf(index), { name: `${index}` })
  t.is(table.size, count)
  for (let index = 0; index < count - 3; index++) t.true(table.delete(idOf(index)))
  t.false(table.delete(idOf(0)))
  t.deepEqual(
    table
      .values()
      .map(({ name }) => Number(name))
      .toSorted((a, b) => a - b),
    [count - 3, count - 2, count - 1],
  )
  for (let index = 0; index < count - 3; index++) table.set(idOf(index), { name: `${index}` })
  for (let index = 0; index < count; index += 997) t.is(table.get(idOf(index))!.name, `${index}`)
})
