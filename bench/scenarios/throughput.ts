import type { Scenario } from './scenario.js'
import { Stream, type StreamShape } from './stream.js'

/** Small enough that the work per message counts, not the bytes; the size that brokers are compared at. */
const PAYLOAD_BYTES = 128

/** Where the header weighs as much as the payload. */
const TINY_PAYLOAD_BYTES = 16

const TOPICS = 64
const FAN_OUTS = [1, 2, 4, 8]

function throughput(name: string, title: string, shape: StreamShape): Scenario {
  return {
    name,
    title,
    metrics: [{ name: 'delivered', unit: 'messages/s', better: 'higher' }],
    peers: ['ringbus', 'nats'],
    async measure(peer, { durationMs, profileFolder }) {
      const server = await peer.startServer({ profileFolder })
      try {
        const stream = await Stream.open(peer, server, shape, profileFolder)
        try {
          return [await stream.run(durationMs)]
        } finally {
          await stream.close()
        }
      } finally {
        await server.stop()
      }
    },
  }
}

export const throughputScenarios: readonly Scenario[] = [
  throughput('throughput-128', '128 B, one publisher, one subscriber', {
    payloadBytes: PAYLOAD_BYTES,
    topicCount: 1,
    subscribers: 1,
  }),
  throughput('throughput-16', '16 B, one publisher, one subscriber', {
    payloadBytes: TINY_PAYLOAD_BYTES,
    topicCount: 1,
    subscribers: 1,
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
