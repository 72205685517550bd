import test from 'ava'
import fc from 'fast-check'
import { parseSettings } from '../../broker/config.js'
import type { Outbox } from '../../broker/egress/outbox.js'
import { TopicIds } from '../../broker/egress/topic-ids.js'
import { Overflow } from '../../broker/flow/overflow.js'
import { Router } from '../../broker/routing/router.js'
import { Subscription } from '../../broker/routing/subscription.js'
import { Trie } from '../../broker/routing/trie.js'
import { FrameRun, patternFault, patternMatches, topicFault } from '../../protocol/index.js'
import { publish } from './frames.js'

const token = fc.constantFrom('a', 'b', 'c')
const topicName = fc
  .tuple(fc.constantFrom('a', 'b', '$SYS'), fc.array(token, { maxLength: 4 }))
  .map(([first, rest]) => [first, ...rest].join('.'))
  .filter((name) => topicFault(name) === undefined)
const pattern = fc
  .tuple(
    fc.constantFrom('a', 'b', '$SYS', '*', '>'),
    fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }),
    fc.constantFrom('', '.>'),
  )
  .map(([first, rest, last]) => [first, ...rest].join('.') + last)
  .filter((name) => patternFault(name) === undefined)

const step = fc.record({ pattern, removes: fc.boolean(), which: fc.nat() })

test('[TOPIC-5] the trie finds what patternMatches says, while patterns come and go', (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(topicName, { minLength: 1, maxLength: 10 }),
      (steps, topics) => {
        const trie = new Trie<object>()
        const model: { pattern: string; value: object }[] = []
        for (const { pattern, removes, which } of steps) {
          if (removes && model.length > 0) {
            const [gone] = model.splice(which % model.length, 1)
            trie.remove(gone!.pattern, gone!.value)
          } else {
            const value = {}
            model.push({ pattern, value })
            trie.add(pattern, value)
          }
          for (const name of topics) {
            const expected = model
              .filter((entry) => patternMatches(entry.pattern, name))
              .map((entry) => entry.value)
            const found = trie.match(name)
            t.is(found.length, expected.length)
            t.deepEqual(new Set(found), new Set(expected))
          }
        }
        for (const { pattern, value } of model) trie.remove(pattern, value)
        // Not one branch is left to look into.
        for (const name of topics)
          t.is(
            lookUps(() => trie.match(name)),
            0,
          )
      },
    ),
    { numRuns: 150 },
  )
})

test('removing what was never added changes nothing', (t) => {
  const trie = new Trie<string>()
  trie.add('a.b', 'kept')
  trie.remove('a.b', 'other')
  trie.remove('a.b.c', 'kept')
  trie.remove('a', 'kept')
  t.deepEqual(trie.match('a.b'), ['kept'])
})

/** How many tables are looked into while something runs. */
function lookUps(run: () => void): number {
  const original = Map.prototype.get
  let count = 0
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
    count += 1
    return original.call(this, key)
  }
  try {
    run()
  } finally {
    Map.prototype.get = original
  }
  return count
}

test('100,000 unrelated subscriptions add no step to a look-up', (t) => {
  const trie = new Trie<number>()
  trie.add('orders.eu.created', 0)
  trie.add('orders.*.created', 1)
  trie.add('>', 2)
  const alone = lookUps(() => trie.match('orders.eu.created'))
  for (let id = 0; id < 100_000; id++) trie.add(`user.${id}.${id % 2 === 0 ? '*' : 'event.>'}`, id)
  t.true(alone > 0)
  t.is(
    lookUps(() => trie.match('orders.eu.created')),
    alone,
  )
  t.deepEqual(trie.match('orders.eu.created').sort(), [0, 1, 2])
})

function routing() {
  const gate = { full: () => {}, relieved: () => {}, received: () => {} }
  const overflow = new Overflow(parseSettings({}, 'test').limits, gate, {
    suffers: () => {},
    recovered: () => {},
    flush: () => {},
  })
  return { overflow, router: new Router(new TopicIds(), overflow, gate) }
}

test('a topic is looked up once, until subscriptions change', (t) => {
  const { router, overflow } = routing()
  const route = router.acquire('orders.eu')
  const frame = publish(0, '')
  const other = new Subscription({ id: 1, outbox: {} as Outbox }, spec('user.*'), overflow)
  router.subscribe(other)
  const publishing = () => router.publish(route, FrameRun.of(frame, 0, frame.length), undefined)
  t.true(lookUps(publishing) > 0)
  t.is(lookUps(publishing), 0)
  router.unsubscribe(other)
  router.subscribe(new Subscription({ id: 1, outbox: {} as Outbox }, spec('user.1'), overflow))
  // More changes than to look at each of them is worth.
  for (let count = 0; count < 10; count++) {
    router.subscribe(other)
    router.unsubscribe(other)
  }
  t.true(lookUps(publishing) > 0)
  t.is(lookUps(publishing), 0)
})

test('a long walk through the trie is not made again for each change', (t) => {
  const { router, overflow } = routing()
  const owner = { id: 1, outbox: {} as Outbox }
  for (let stars = 0; stars < 2 ** 10; stars++) {
    const tokens = Array.from({ length: 10 }, (_, bit) => ((stars >> bit) & 1 ? '*' : 'a'))
    router.subscribe(new Subscription(owner, spec([...tokens, 'z'].join('.')), overflow))
  }
  const route = router.acquire(`${'a.'.repeat(10)}y`)
  const frame = publish(0, '')
  const publishing = () => router.publish(route, FrameRun.of(frame, 0, frame.length), undefined)
  t.true(lookUps(publishing) > 1000)
  const other = new Subscription(owner, spec('b.>'), overflow)
  for (let count = 0; count < 100; count++) {
    router.subscribe(other)
    router.unsubscribe(other)
    t.is(lookUps(publishing), 0)
  }
})

const wish = fc.record({
  pattern,
  group: fc.constantFrom(undefined, undefined, 'g', 'h'),
  what: fc.constantFrom('subscribe', 'subscribe', 'unsubscribe', 'look', 'look', 'forget'),
  which: fc.nat(),
})

test('[TOPIC-5] [SUB-7] a route knows its targets, whatever has come and gone since it was looked up', (t) => {
  fc.assert(
    fc.property(
      fc.array(wish, { maxLength: 80 }),
      fc.array(topicName, { minLength: 1, maxLength: 4 }),
      (steps, topics) => {
        const { router, overflow } = routing()
        const model: Subscription[] = []
        for (const name of topics) router.acquire(name)
        const check = () => {
          for (const route of router.routes) {
            const { name } = route
            const { direct, groups } = router.targetsOf(route)
            const expected = model.filter(({ pattern }) => patternMatches(pattern, name))
            const found = [...direct, ...groups.flatMap(({ members }) => members)]
            t.is(found.length, expected.length)
            t.true(expected.every((subscription) => found.includes(subscription)))
            t.true(direct.every(({ group }) => group === undefined))
            for (const { members } of groups) t.is(new Set(members.map(({ group }) => group)).size, 1)
            const names = groups.map(({ members }) => members[0]!.group)
            t.is(new Set(names).size, names.length)
          }
        }
        for (const { pattern, group, what, which } of steps) {
          if (what === 'look') check()
          else if (what === 'forget') router.forgetStale()
          else if (what === 'subscribe') {
            const owner = { id: 1, outbox: {} as Outbox }
            const subscription = new Subscription(owner, { ...spec(pattern), group }, overflow)
            model.push(subscription)
            router.subscribe(subscription)
          } else if (model.length > 0) {
            router.unsubscribe(model.splice(which % model.length, 1)[0]!)
          }
        }
        check()
      },
    ),
    { numRuns: 150 },
  )
})

function spec(pattern: string) {
  return { id: 1, pattern, group: undefined, windowBytes: 0 }
}
