import test from 'ava'
import fc from 'fast-check'
import { Aliases } from '../../client/outbound/aliases.js'

function tracked(capacity: number) {
  const bound = new Map<number, string>()
  let bindings = 0
  const aliases = new Aliases((alias, topic) => {
    bound.set(alias, topic)
    bindings += 1
  })
  aliases.capacity = capacity
  return { aliases, bound, bindings: () => bindings }
}

test('a topic is bound once, before its alias is given out', (t) => {
  const { aliases, bound, bindings } = tracked(4)
  t.is(aliases.find('a'), 0)
  t.is(aliases.find('b'), 1)
  t.is(aliases.find('a'), 0)
  t.deepEqual(
    [...bound],
    [
      [0, 'a'],
      [1, 'b'],
    ],
  )
  t.is(bindings(), 2)
})

test('a full table gives up a topic that has not been used since the hand came by', (t) => {
  const { aliases, bindings } = tracked(3)
  for (const topic of ['a', 'b', 'c', 'd']) aliases.find(topic)
  // d took the place of a; b and c have lost their marks, and b gets one again.
  aliases.find('b')
  t.is(aliases.find('e'), aliases.find('e'))
  const before = bindings()
  aliases.find('b')
  t.is(bindings(), before, 'b was in use, and yet gave way')
})

test('[TOPIC-6] an alias always stands for the topic that it is given out for, and is below the limit', (t) => {
  const topics = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 200 })
  fc.assert(
    fc.property(topics, fc.integer({ min: 1, max: 8 }), (script, capacity) => {
      const { aliases, bound } = tracked(capacity)
      for (const number of script) {
        const alias = aliases.find(`t.${number}`)
        if (alias >= capacity || bound.get(alias) !== `t.${number}`) return false
      }
      return true
    }),
  )
  t.pass()
})

test('after a reset every topic is bound anew', (t) => {
  const { aliases, bindings } = tracked(4)
  aliases.find('a')
  aliases.reset()
  t.is(aliases.count, 0)
  aliases.find('a')
  t.is(bindings(), 2)
})

test('what is no topic is never bound', (t) => {
  const { aliases, bindings } = tracked(4)
  for (const wrong of ['', 'a..b', 'a.*', 'a b', 'x'.repeat(256), 7 as unknown as string]) {
    t.throws(() => aliases.find(wrong), { code: 'BAD_TOPIC' })
  }
  t.is(bindings(), 0)
})
