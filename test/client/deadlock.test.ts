import test from 'ava'
import { brokerIn, clientOf, until } from './fixtures.js'

const CLIENTS = 3
const MESSAGES = 300

/** Larger than the window together, so that credit runs out at every client. */
const data = Buffer.alloc(8192)

test('[CREDIT-6] handlers that await requests in a circle of clients with full windows all end', async (t) => {
  const path = await brokerIn(t, { backlogBytesMax: 64 * 1024 * 1024 })
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => clientOf(t, path)))
  let handled = 0
  for (const [index, client] of clients.entries()) {
    const next = (index + 1) % CLIENTS
    client.serve(`ask.${index}`, async ({ data: hops }) => {
      // Each answer needs one of the next client, over the same connections that the messages fill.
      if (hops === 0) return 'end'
      return (await client.request(`ask.${next}`, Number(hops) - 1, { timeout: 0 })).data
    })
    client.subscribe('bulk', { concurrency: 2 }, async () => {
      const reply = await client.request(`ask.${next}`, CLIENTS + 1, { timeout: 0 })
      t.is(reply.data as string, 'end')
      handled += 1
    })
    await client.flush()
  }
  for (let number = 0; number < MESSAGES; number++) {
    const client = clients[number % CLIENTS]!
    if (!client.publish('bulk', data)) await client.ready('bulk')
  }
  await until(() => handled === CLIENTS * MESSAGES)
  t.pass()
})

test('eight subscriptions of one client, each waiting for its own request, all go on', async (t) => {
  const path = await brokerIn(t, { backlogBytesMax: 64 * 1024 * 1024 })
  const bus = await clientOf(t, path)
  bus.serve('echo', ({ data: value }) => value)
  let handled = 0
  for (let number = 0; number < 8; number++) {
    bus.subscribe('all', async () => {
      await bus.request('echo', data, { timeout: 0 })
      handled += 1
    })
  }
  await bus.flush()
  for (let number = 0; number < 200; number++) if (!bus.publish('all', data)) await bus.ready('all')
  await until(() => handled === 8 * 200)
  t.pass()
})
