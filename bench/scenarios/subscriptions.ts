import { Child } from '../child.js'
import type { Peer, Server } from '../peers/index.js'
import type { BystanderCommands } from '../workers/bystander.js'
import type { Scenario } from './scenario.js'
import { Stream } from './stream.js'

const BYSTANDER = new URL('../workers/bystander.js', import.meta.url)

const SUBSCRIPTIONS = 100_000
const BYSTANDERS = 4
const PAYLOAD_BYTES = 128

/** Making them takes seconds on a busy machine. */
const SUBSCRIBE_TIMEOUT_MS = 120_000

async function subscribeBystander(
  child: Child<BystanderCommands>,
  peer: Peer,
  server: Server,
  index: number,
) {
  await child.call('connect', { peer: peer.name, address: server.address })
  const order = { count: SUBSCRIPTIONS / BYSTANDERS, prefix: `bench.other.${index}` }
  await child.call('subscribe', order, SUBSCRIBE_TIMEOUT_MS)
}

export const subscriptionsScenario: Scenario = {
  name: 'subscriptions',
  title: `128 B, beside ${SUBSCRIPTIONS} subscriptions of other clients to other topics`,
  metrics: [
    { name: 'without', unit: 'messages/s', better: 'higher' },
    { name: 'with', unit: 'messages/s', better: 'higher' },
    { name: 'with / without', unit: 'ratio', better: 'higher' },
  ],
  peers: ['ringbus', 'nats'],

  async measure(peer, { durationMs, profileFolder }) {
    const server = await peer.startServer({ profileFolder })
    const bystanders = Array.from({ length: BYSTANDERS }, () => new Child<BystanderCommands>(BYSTANDER))
    try {
      const shape = { payloadBytes: PAYLOAD_BYTES, topicCount: 1, subscribers: 1 }
      const stream = await Stream.open(peer, server, shape, profileFolder)
      try {
        const without = await stream.run(durationMs)
        await Promise.all(bystanders.map((child, index) => subscribeBystander(child, peer, server, index)))
        const beside = await stream.run(durationMs)
        return [without, beside, beside / without]
      } finally {
        await stream.close()
      }
    } finally {
      await Promise.all(bystanders.map((child) => child.stop()))
      await server.stop()
    }
  },
}
