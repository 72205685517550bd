import test from 'ava'
import { FakeBroker, FakePublisher, FakeSubscription, FakeTopic, turns } from './fakes.js'

const KIB = 1024
/** Enough for allowances of every size, and a message that is a sixteenth of it. */
const LIMIT = 64 * KIB
const MESSAGE = 4 * KIB

/** A topic that a publisher has filled a subscription of, and the subscription. */
function fullTopic(broker = new FakeBroker()) {
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  const publisher = new FakePublisher(1)
  fill(broker, topic, publisher)
  return { broker, subscription, topic, publisher }
}

/** Publishes until the publisher is told to hold back. */
function fill(broker: FakeBroker, topic: FakeTopic, publisher: FakePublisher, alias = 0): void {
  while (publisher.maySend(alias)) {
    publisher.send(alias, MESSAGE)
    broker.publish(topic, publisher, alias, MESSAGE)
  }
}

test('[FLOW-2] a publisher whose message finds a subscription full is paused once', (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  t.deepEqual(publisher.news(), ['pause 0'])
  t.is(subscription.queue.length, LIMIT / MESSAGE + 1)
  t.truthy(subscription.blockingSinceMs)
  for (let count = 0; count < 3; count++) broker.publish(topic, publisher, 0, MESSAGE)
  t.deepEqual(publisher.news(), [])
  t.is(broker.pauses.topicCount, 1)
  t.is(broker.pauses.pausedCountOf(publisher), 1)
})

test('[FLOW-2] other aliases of a paused publisher go on, and so do other publishers elsewhere', (t) => {
  const { broker, publisher } = fullTopic()
  const other = new FakeTopic('other', [new FakeSubscription(LIMIT)])
  broker.publish(other, publisher, 1, MESSAGE)
  t.deepEqual(publisher.news(), ['pause 0'])
  t.is(other.pause, undefined)
})

test('[FLOW-2] room is allowed as it appears, and at half of the limit the pause is over', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  publisher.news()
  broker.take(subscription, 3)
  await turns()
  t.deepEqual(publisher.news(), [`allow 0 ${2 * MESSAGE}`])
  broker.take(subscription, 1)
  await turns()
  t.deepEqual(publisher.news(), [`allow 0 ${MESSAGE}`])
  broker.take(subscription, LIMIT / MESSAGE / 2 - 3)
  await turns()
  t.deepEqual(publisher.news(), ['resume 0'])
  t.is(topic.pause, undefined)
  t.is(subscription.blockingSinceMs, undefined)
  t.is(broker.pauses.topicCount, 0)
  t.deepEqual(broker.events, ['paused t', 'resumed t'])
})

test('[FLOW-2] an allowance that is used up is not made again before there is room', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  broker.take(subscription, 3)
  await turns()
  publisher.news()
  fill(broker, topic, publisher)
  await turns()
  t.deepEqual(publisher.news(), [])
  t.is(subscription.queuedBytes, LIMIT)
  broker.take(subscription, 2)
  await turns()
  t.deepEqual(publisher.news(), [`allow 0 ${2 * MESSAGE}`])
})

test('[FLOW-2] what a frame has taken beyond its allowance is made up for', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  broker.take(subscription, 3)
  await turns()
  publisher.send(0, 20 * KIB)
  broker.publish(topic, publisher, 0, 20 * KIB)
  t.is(publisher.balances.get(0), -12 * KIB)
  broker.take(subscription, 5)
  await turns()
  t.is(publisher.balances.get(0), LIMIT - subscription.queuedBytes)
})

test('[FLOW-2] what was on its way as the publisher was paused is no part of its allowance', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  for (let count = 0; count < 5; count++) broker.publish(topic, publisher, 0, MESSAGE)
  broker.take(subscription, 8)
  await turns()
  t.is(publisher.balances.get(0), 2 * MESSAGE)
})

test('[FLOW-2] publishers of a topic share the room', async (t) => {
  const broker = new FakeBroker()
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  const publishers = [new FakePublisher(1), new FakePublisher(2)]
  for (const publisher of publishers) fill(broker, topic, publisher)
  broker.take(subscription, 6)
  await turns()
  t.deepEqual(
    publishers.map(({ balances }) => balances.get(0)),
    [2 * MESSAGE, 2 * MESSAGE],
  )
  // One that makes no use of its share does not keep the other from its own.
  fill(broker, topic, publishers[0]!)
  broker.take(subscription, 2)
  await turns()
  t.is(publishers[0]!.balances.get(0), 2 * MESSAGE)
  t.is(publishers[1]!.balances.get(0), 2 * MESSAGE)
})

test('[FLOW-2] no allowance is smaller than 4 KiB or a sixteenth of the limit, until a while has passed', async (t) => {
  const broker = new FakeBroker({ pauseTimeoutMs: 4000 })
  const { subscription, topic, publisher } = fullTopic(broker)
  publisher.news()
  subscription.queue[0] = MESSAGE - 1000
  broker.take(subscription, 0)
  subscription.queue.pop()
  broker.pauses.relieved(subscription)
  await turns()
  t.deepEqual(publisher.news(), [])
  while (publisher.told.length === 0) await turns()
  t.deepEqual(publisher.news(), ['allow 0 1000'])
  t.deepEqual(broker.slow, [])
  t.truthy(topic.pause)
})

test('[FLOW-2] the fullest subscription is what counts; each that was full is waited for', async (t) => {
  const broker = new FakeBroker()
  const [fast, slow] = [new FakeSubscription(LIMIT), new FakeSubscription(LIMIT)]
  const topic = new FakeTopic('t', [fast, slow])
  const publisher = new FakePublisher(1)
  fill(broker, topic, publisher)
  publisher.news()
  broker.take(fast, fast.queue.length)
  await turns()
  t.is(fast.blockingSinceMs, undefined)
  t.deepEqual(publisher.news(), [])
  broker.take(slow, 3)
  await turns()
  t.deepEqual(publisher.news(), [`allow 0 ${2 * MESSAGE}`])
  broker.take(slow, slow.queue.length)
  await turns()
  t.deepEqual(publisher.news(), ['resume 0'])
})

test('[FLOW-2] without any allowance for the whole time, what is full becomes slow and holds nobody up', async (t) => {
  const broker = new FakeBroker({ pauseTimeoutMs: 40 })
  const [stuck, stuckToo, idle] = [
    new FakeSubscription(LIMIT),
    new FakeSubscription(LIMIT),
    new FakeSubscription(LIMIT * 4),
  ]
  const topic = new FakeTopic('t', [stuck, stuckToo, idle])
  const publisher = new FakePublisher(1)
  const before = performance.now()
  fill(broker, topic, publisher)
  while (topic.pause !== undefined) await turns()
  t.true(performance.now() - before >= 39)
  t.deepEqual(broker.slow, [stuck, stuckToo])
  t.is(stuck.blockingSinceMs, undefined)
  t.deepEqual(publisher.news(), ['pause 0', 'resume 0'])
})

test('[FLOW-2] the time begins anew with each allowance', async (t) => {
  const broker = new FakeBroker({ pauseTimeoutMs: 200 })
  const { subscription, topic, publisher } = fullTopic(broker)
  subscription.queue.pop()
  const endsAt = performance.now() + 700
  while (performance.now() < endsAt) {
    // Each time a turn's worth goes, the publisher uses it at once, and the subscription is full again.
    broker.take(subscription, 1)
    await turns()
    fill(broker, topic, publisher)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.deepEqual(broker.slow, [])
  while (broker.slow.length === 0) await turns()
  t.pass()
})

test('[FLOW-2] twenty subscriptions that stop and go do not park a publisher', async (t) => {
  const broker = new FakeBroker({ pauseTimeoutMs: 50 })
  const subscriptions = Array.from({ length: 20 }, () => new FakeSubscription(LIMIT))
  const topic = new FakeTopic('t', subscriptions)
  const publisher = new FakePublisher(1)
  let sent = 0
  for (let round = 0; round < 2000 && sent < 500; round++) {
    while (publisher.maySend(0) && sent < 500) {
      publisher.send(0, MESSAGE)
      broker.publish(topic, publisher, 0, MESSAGE)
      sent += 1
    }
    // Others take turns at standing still, so that at any time somebody is full.
    const flapping = subscriptions[round % 20]!
    broker.take(flapping, flapping.queue.length)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.is(sent, 500)
})

test('[FLOW-2] room that others were promised and do not use is given away at the deadline', async (t) => {
  const broker = new FakeBroker({ pauseTimeoutMs: 40 })
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  // More of them than there are smallest allowances in the room.
  const publishers = Array.from({ length: 40 }, (_, index) => new FakePublisher(index))
  for (const publisher of publishers) fill(broker, topic, publisher)
  while (subscription.queuedBytes > LIMIT * 0.75) subscription.queue.pop()
  broker.pauses.relieved(subscription)
  await turns()
  t.is(publishers.filter(({ balances }) => balances.get(0)! > 0).length, 4)
  while (publishers.some(({ balances }) => balances.get(0) === 0)) await turns()
  t.deepEqual(broker.slow, [])
})

test('[FLOW-2] a queue group holds nobody up while one of its members has room', async (t) => {
  const broker = new FakeBroker()
  const [first, second] = [new FakeSubscription(LIMIT, 'g'), new FakeSubscription(LIMIT, 'g')]
  const topic = new FakeTopic('t', [first, second])
  const publisher = new FakePublisher(1)
  fill(broker, topic, publisher)
  t.true(first.isFull && second.isFull)
  publisher.news()
  broker.take(second, 4)
  await turns()
  t.deepEqual(publisher.news(), [`allow 0 ${LIMIT - second.queuedBytes}`])
  broker.take(second, second.queue.length)
  await turns()
  t.deepEqual(publisher.news(), ['resume 0'])
  t.is(first.blockingSinceMs, undefined)
  t.is(topic.pause, undefined)
})

test('[FLOW-2] a member that ends leaves its group to the others', async (t) => {
  const broker = new FakeBroker()
  const [first, second] = [new FakeSubscription(LIMIT, 'g'), new FakeSubscription(LIMIT, 'g')]
  const topic = new FakeTopic('t', [first, second])
  const publisher = new FakePublisher(1)
  fill(broker, topic, publisher)
  publisher.news()
  broker.end(first)
  await turns()
  t.deepEqual(publisher.news(), [])
  broker.end(second)
  await turns()
  t.deepEqual(publisher.news(), ['resume 0'])
})

test('[WIRE-2.8] an alias that is bound anew is paused no longer, without a word', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  publisher.topicFramesRead += 1
  publisher.balances.delete(0)
  publisher.news()
  broker.pauses.rebound(publisher, 0)
  t.is(topic.pause, undefined)
  t.is(subscription.blockingSinceMs, undefined)
  broker.take(subscription, 17)
  await turns()
  t.deepEqual(publisher.news(), [])
  t.deepEqual(broker.events, ['paused t', 'resumed t'])
})

test('[WIRE-2.8] two aliases of one client for a topic are two pauses', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  fill(broker, topic, publisher, 1)
  t.deepEqual(publisher.news(), ['pause 0', 'pause 1'])
  t.is(topic.pause!.publisherCount, 1)
  publisher.balances.delete(0)
  broker.pauses.rebound(publisher, 0)
  t.truthy(topic.pause)
  broker.take(subscription, 18)
  await turns()
  t.deepEqual(publisher.news(), ['resume 1'])
})

test('[FLOW-2] a publisher or a subscription that is gone leaves nothing behind', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  broker.pauses.left(publisher)
  t.is(topic.pause, undefined)
  t.is(subscription.blockingSinceMs, undefined)
  publisher.balances.clear()
  broker.publish(topic, publisher, 0, MESSAGE)
  publisher.news()
  broker.end(subscription)
  await turns()
  t.deepEqual(publisher.news(), ['resume 0'])
  t.is(broker.pauses.topicCount, 0)
})

test('[FLOW-2] a publisher that does not read is told at most one PAUSE and one sum when it does', async (t) => {
  const broker = new FakeBroker()
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  const publisher = new FakePublisher(1)
  publisher.outbox.isOpen = false
  for (let count = 0; count < 20; count++) broker.publish(topic, publisher, 0, MESSAGE)
  broker.take(subscription, 6)
  await turns()
  broker.take(subscription, 2)
  await turns()
  t.deepEqual(publisher.news(), [])
  publisher.outbox.isOpen = true
  broker.pauses.tell(publisher)
  t.deepEqual(publisher.news(), ['pause 0', `allow 0 ${4 * MESSAGE}`])
  // While it does not read, it is resumed and paused again: nothing has changed for it.
  publisher.outbox.isOpen = false
  broker.take(subscription, subscription.queue.length)
  await turns()
  t.is(topic.pause, undefined)
  for (let count = 0; count < 20; count++) broker.publish(topic, publisher, 0, MESSAGE)
  publisher.outbox.isOpen = true
  broker.pauses.tell(publisher)
  t.deepEqual(publisher.news(), [])
  publisher.outbox.isOpen = false
  broker.take(subscription, subscription.queue.length)
  await turns()
  publisher.outbox.isOpen = true
  broker.pauses.tell(publisher)
  t.deepEqual(publisher.news(), ['resume 0'])
  t.is(broker.pauses.pausedCountOf(publisher), 0)
})

test('[FLOW-2] a pause that began and ended while its publisher did not read is never spoken of', async (t) => {
  const broker = new FakeBroker()
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  const publisher = new FakePublisher(1)
  publisher.outbox.isOpen = false
  for (let count = 0; count < 20; count++) broker.publish(topic, publisher, 0, MESSAGE)
  broker.take(subscription, 20)
  await turns()
  publisher.outbox.isOpen = true
  broker.pauses.tell(publisher)
  t.deepEqual(publisher.news(), [])
})

test('[FLOW-2] thousands of topics that one subscription holds up have turns at its room', async (t) => {
  const broker = new FakeBroker()
  const all = new FakeSubscription(LIMIT)
  const publisher = new FakePublisher(1)
  const topics = Array.from({ length: 3000 }, (_, index) => new FakeTopic(`t.${index}`, [all]))
  for (let count = 0; count < 17; count++) broker.publish(topics[0]!, publisher, 0, MESSAGE)
  for (const [alias, topic] of topics.entries()) broker.publish(topic, publisher, alias, 1)
  publisher.news()
  const allowed = new Set<number>()
  for (let round = 0; allowed.size < topics.length && round < 3000; round++) {
    all.queue.length = 0
    all.queue.push(LIMIT * 0.75)
    broker.pauses.relieved(all)
    await turns()
    for (const line of publisher.news()) {
      const alias = Number(line.split(' ')[1])
      allowed.add(alias)
      // It sends at once, and the subscription takes it at once.
      while (publisher.maySend(alias)) {
        publisher.send(alias, MESSAGE)
        broker.pauses.received(topics[alias]!, publisher, alias, MESSAGE)
      }
    }
  }
  t.is(allowed.size, topics.length)
  broker.take(all, 1)
  await turns(20)
  t.is(broker.pauses.topicCount, 0)
  t.is(publisher.balances.size, 0)
})

test('[FLOW-2] a broker that stops pauses whoever publishes, and resumes nobody', async (t) => {
  const { broker, subscription, topic, publisher } = fullTopic()
  const other = new FakeTopic('other', [new FakeSubscription(LIMIT)])
  publisher.news()
  broker.pauses.stop([topic, other])
  broker.publish(other, publisher, 1, MESSAGE)
  broker.publish(other, publisher, 1, MESSAGE)
  t.deepEqual(publisher.news(), ['pause 1'])
  t.is(other.subscriptions[0]!.queue.length, 2)
  broker.take(subscription, 17)
  await turns()
  t.deepEqual(publisher.news(), [])
  const late = new FakeTopic('late', [])
  broker.pauses.bound(late)
  broker.publish(late, publisher, 2, MESSAGE)
  t.deepEqual(publisher.news(), ['pause 2'])
  broker.pauses.left(publisher)
  t.is(broker.pauses.topicCount, 0)
})

test('[FLOW-2] many publishers get allowances until there is room for what all of them may have on the way', async (t) => {
  const broker = new FakeBroker()
  const subscription = new FakeSubscription(LIMIT)
  const topic = new FakeTopic('t', [subscription])
  const publishers = [new FakePublisher(1), new FakePublisher(2)]
  for (const publisher of publishers) fill(broker, topic, publisher)
  broker.take(subscription, 12)
  await turns()
  t.deepEqual(
    publishers.map(({ told }) => told),
    publishers.map(() => ['pause 0', `allow 0 ${5 * MESSAGE}`]),
  )
  broker.take(subscription, 5)
  await turns()
  t.true(publishers.every(({ told }) => told.at(-1) === 'resume 0'))
})
