import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Inbox } from '../../client/inbound/inbox.js'
import type { Message } from '../../client/index.js'
import { Flag, Offset } from '../../protocol/index.js'
import { burn, clientOf, until } from './fixtures.js'
import { deliver, message, name, type Received, ScriptedBroker } from './scripted-broker.js'

const URGENT = 31
const BULK_EACH = 25_000
const URGENT_COUNT = 40

/** Writes down the arrival of every urgent frame: from there on nothing less urgent may start before its handler. */
function watchArrivals(log: string[]): () => void {
  const original = Inbox.prototype.append
  Inbox.prototype.append = function (this: Inbox, ...frames) {
    const [, bytes, start] = frames
    if (bytes[start + Offset.PRIORITY] === URGENT) log.push('arrived')
    return original.apply(this, frames)
  }
  return () => {
    Inbox.prototype.append = original
  }
}

test('[ORDER-3] once an urgent frame is here, no less urgent handler of its client starts before its own', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const log: string[] = []
  t.teardown(watchArrivals(log))
  const work = () => {
    log.push('bulk')
    burn(1)
  }
  let urgentHandled = 0
  bus.subscribe('urgent', () => {
    log.push('urgent')
    urgentHandled += 1
  })
  bus.subscribe('bulk.sync', work)
  bus.subscribe('bulk.async', { concurrency: 4 }, async () => {
    work()
    await delay(1)
  })
  const iterated = bus.subscribe('bulk.iterated')
  const streamed = bus.createReadStream('bulk.streamed')
  const piped = bus.createReadStream('bulk.piped')
  const [urgent, ...bulk] = (await peer.untilFlush()).map(({ id }: Received) => id) as [number, ...number[]]
  const loops = [iterated, streamed].map(async (messages: AsyncIterable<Message>) => {
    for await (const _ of messages) {
      work()
      await delay(1)
    }
  })
  piped.on('data', work)
  peer.send(name(1, 'bulk.x'), name(2, 'urgent'))
  for (const id of bulk) {
    const frames = Array.from({ length: BULK_EACH }, () =>
      message(1, 'x', { sentAtNs: 1, flags: Flag.SENT_AT }),
    )
    peer.send(deliver(id), ...frames)
  }
  await until(() => log.length > 100)
  for (let sent = 0; sent < URGENT_COUNT; sent++) {
    peer.send(deliver(urgent), message(2, 'now', { priority: URGENT }))
    await until(() => urgentHandled > sent)
  }
  bus.destroy()
  await Promise.all(loops)
  let waiting = 0
  let before = 0
  for (const event of log) {
    if (event === 'arrived') waiting += 1
    else if (event === 'urgent') waiting -= 1
    else if (waiting > 0) before += 1
  }
  t.is(log.filter((event) => event === 'arrived').length, URGENT_COUNT)
  t.is(before, 0, `${before} handlers started while something more urgent was here`)
})
