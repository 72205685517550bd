import { only, throughputFloors } from './floors.js'
import { closing, type Floor, type Scenario, withServer } from './scenario.js'
import { Stream } from './stream.js'

/** Small enough that the work per message counts, not the bytes; the size that brokers are compared at. */
const PAYLOAD_BYTES = 128

/** Where the header weighs as much as the payload. */
const TINY_PAYLOAD_BYTES = 16

const TOPICS = 64
const FAN_OUTS = [1, 2, 4, 8]

interface Shape {
  readonly payloadBytes: number
  readonly topicCount: number
  readonly subscribers: number
  readonly floors?: readonly Floor[]
}

function throughput(name: string, title: string, { payloadBytes, floors = [], ...shape }: Shape): Scenario {
  return {
    name,
    title,
    metrics: [{ name: 'delivered', unit: 'messages/s', better: 'higher' }],
    peers: ['ringbus', 'nats'],
    floors,
    references: ['nats', 'floor-socket'],
    measure(peer, options) {
      const streamShape = { ...shape, payloadBytesMin: payloadBytes }
      return withServer(peer, options, (server) =>
        closing(Stream.open(peer, server, streamShape, options), async (stream) => [
          await stream.run(payloadBytes),
        ]),
      )
    },
  }
}

const relayBySockets = (payloadBytes: number) =>
  only(
    ['floor-socket'],
    throughputFloors(payloadBytes, (perSecond) => [perSecond]),
  )

export const throughputScenarios: readonly Scenario[] = [
  throughput('throughput-128', '128 B, one publisher, one subscriber', {
    payloadBytes: PAYLOAD_BYTES,
    topicCount: 1,
    subscribers: 1,
    floors: relayBySockets(PAYLOAD_BYTES),
  }),
  throughput('throughput-16', '16 B, one publisher, one subscriber', {
    payloadBytes: TINY_PAYLOAD_BYTES,
    topicCount: 1,
    subscribers: 1,
    floors: relayBySockets(TINY_PAYLOAD_BYTES),
  }),
  throughput('topics-64', `128 B, ${TOPICS} topics at random, wildcard subscriber`, {
    payloadBytes: PAYLOAD_BYTES,
    topicCount: TOPICS,
    subscribers: 1,
  }),
  ...FAN_OUTS.map((subscribers) =>
    throughput(`fan-out-${subscribers}`, `128 B, one topic to ${subscribers} subscriber processes`, {
      payloadBytes: PAYLOAD_BYTES,
      topicCount: 1,
      subscribers,
    }),
  ),
]
