import { PRIORITY_LEVELS } from '../../protocol/index.js'
import type { PeerName } from '../peers/index.js'
import { only, throughputFloors } from './floors.js'
import { processorMetrics, processorValues } from './processor-costs.js'
import { closing, type Floor, type Scenario, withServer } from './scenario.js'
import { STREAM_PROCESSES, Stream, type StreamShape } from './stream.js'

/** Small enough that the work per message counts, not the bytes; the size that brokers are compared at. */
const PAYLOAD_BYTES = 128

/** Where the header weighs as much as the payload. */
const TINY_PAYLOAD_BYTES = 16

const TOPICS = 64
const FAN_OUTS = [1, 2, 4, 8]

/** What a quick run looks at. */
const QUICK_FAN_OUT = 8

const PUBLISHERS = 8

interface Shape extends Omit<StreamShape, 'payloadBytesMin'> {
  readonly payloadBytes?: number
  /** Default: ringbus and NATS. */
  readonly peers?: readonly PeerName[]
  readonly floors?: readonly Floor[]
  readonly isLong?: true
}

function throughput(
  name: string,
  title: string,
  {
    payloadBytes = PAYLOAD_BYTES,
    peers = ['ringbus', 'ringbus-socket', 'nats'],
    floors = [],
    isLong,
    ...shape
  }: Shape,
): Scenario {
  return {
    name,
    title,
    metrics: [
      { name: 'delivered', unit: 'messages/s', better: 'higher' },
      ...processorMetrics(STREAM_PROCESSES),
    ],
    peers,
    floors,
    references: ['nats', 'floor-socket'],
    ...(isLong ? { isLong } : {}),
    measure(peer, options) {
      const streamShape = { ...shape, payloadBytesMin: payloadBytes }
      return withServer(peer, options, (server) =>
        closing(Stream.open(peer, server, streamShape, options), async (stream) => {
          const { perSecond, deliveries, processorNs } = await stream.run(payloadBytes)
          return [perSecond, ...processorValues(STREAM_PROCESSES, processorNs, deliveries)]
        }),
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
    peers: ['ringbus', 'ringbus-socket', 'nats'],
    floors: relayBySockets(PAYLOAD_BYTES),
  }),
  throughput('throughput-16', '16 B, one publisher, one subscriber', {
    payloadBytes: TINY_PAYLOAD_BYTES,
    floors: relayBySockets(TINY_PAYLOAD_BYTES),
  }),
  throughput('topics-64', `128 B, ${TOPICS} topics at random, wildcard subscriber`, { topicCount: TOPICS }),
  ...FAN_OUTS.map((subscribers) =>
    throughput(`fan-out-${subscribers}`, `128 B, one topic to ${subscribers} subscriber processes`, {
      subscribers,
      ...(subscribers === QUICK_FAN_OUT ? {} : { isLong: true }),
    }),
  ),
  throughput('many-to-one', `128 B, one topic from ${PUBLISHERS} publisher processes`, {
    publishers: PUBLISHERS,
  }),
  throughput(
    `priorities-${PRIORITY_LEVELS}`,
    `128 B, ${PRIORITY_LEVELS} priorities at random, where a system has them`,
    { priorities: PRIORITY_LEVELS, peers: ['ringbus', 'nats', 'redis'] },
  ),
]
