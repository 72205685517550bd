import type { ExecutionContext } from 'ava'
import type { Bench } from '../fixtures.js'
import { publish, subscribe, topic } from '../frames.js'
import { patterned } from '../ring-client.js'
import type { Client } from '../transcript.js'

export const KIB = 1024
export const WIDE = { window: 2 ** 30 }

/** Every client is busy enough as soon as it has greeted. */
export const AT_ONCE = { pairAfterBytes: 1, pairPieceBytesMin: 1, pairBytes: 64 * KIB }

/** Numbered payloads of many sizes, from a few bytes to more than a ring holds. */
export function payloads(count: number, seed = 0): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const size = index % 10 === 9 ? 100_000 + index : 16 + ((index * 797) % 3000)
    return patterned(size, index + seed)
  })
}

/** The next messages have these payloads, in this order. */
export async function expectPayloads(
  t: ExecutionContext,
  client: Client,
  expected: readonly Buffer[],
): Promise<void> {
  for (const [index, payload] of expected.entries()) {
    const received = await client.expect('MESSAGE')
    t.true(received.payload.equals(payload), `message ${index}`)
  }
}

/** A publisher and a subscriber by socket, which go on whatever happens to others. */
export async function bystandersOf(t: ExecutionContext, { client }: Bench): Promise<() => Promise<void>> {
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'bystanders', WIDE))
  await subscriber.expectNothing()
  publisher.send(topic(0, 'bystanders'))
  return async () => {
    const sent = payloads(20)
    publisher.send(...sent.map((payload) => publish(0, payload)))
    await expectPayloads(t, subscriber, sent)
    await publisher.expectNothing()
  }
}

/** A subscriber to `a` by socket, that nobody disturbs. */
export async function listenerOf({ client }: Bench): Promise<Client> {
  const subscriber = await client()
  subscriber.send(subscribe(1, 'a', WIDE))
  await subscriber.expectNothing()
  return subscriber
}
