import { Child } from '../child.js'
import type { Peer, Server } from '../peers/index.js'
import type { BystanderCommands } from '../workers/bystander.js'
import { closing, type Scenario, withServer } from './scenario.js'
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
  const { name } = peer
  await child.call('connect', { peer: name, address: server.address, payloadBytesMin: PAYLOAD_BYTES })
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
  references: ['nats'],
  isLong: true,

  measure(peer, options) {
    const shape = { payloadBytesMin: PAYLOAD_BYTES }
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, shape, options), async (stream) => {
        const bystanders = Array.from({ length: BYSTANDERS }, () => new Child<BystanderCommands>(BYSTANDER))
        try {
          const { perSecond: without } = await stream.run(PAYLOAD_BYTES)
          await Promise.all(bystanders.map((child, index) => subscribeBystander(child, peer, server, index)))
          const { perSecond: beside } = await stream.run(PAYLOAD_BYTES)
          return [without, beside, beside / without]
        } finally {
          await Promise.all(bystanders.map((child) => child.stop()))
        }
      }),
    )
  },
}
