import { setTimeout as pause } from 'node:timers/promises'
import { Child } from '../child.js'
import { processSharedBytes, systemSharedBytes } from '../memory.js'
import type { Peer } from '../peers/index.js'
import { type RingbusServer, startRingbusBroker } from '../peers/ringbus-broker.js'
import { MIB, sizeName } from '../sizes.js'
import type { MemoryCommands } from '../workers/memory.js'
import { audited } from './delivery-audit.js'
import type { Metric, Scenario } from './scenario.js'

const MEMORY = new URL('../workers/memory.js', import.meta.url)

const TOPIC = 'bench.memory'

/** Three quarters of a ring, as many small payloads and as few large ones. */
const BURST_BYTES = 48 * MIB
const SIZES = [MIB, 16 * MIB]

/** What waits for the subscriber must not be dropped, as the default would have it. */
const SETTINGS = { backlogBytesMax: 64 * MIB }

/** At rest is when no more than this is left of any of the figures. */
const REST_MIB = 1

/** Payloads before a burst at most. */
const PRELUDE_MAX = 100

/** The broker gives a ring back after five seconds without use. */
const REST_TIMEOUT_MS = 20_000
const REST_INTERVAL_MS = 100

interface Parties {
  readonly server: RingbusServer
  readonly publisher: Child<MemoryCommands>
  readonly subscriber: Child<MemoryCommands>
  /** Of the system, before any of them had started. */
  readonly sharedBytesBefore: number
}

/** In MiB: of the system beyond what there was before, as the broker counts, and of each process. */
async function look({ server, publisher, subscriber, sharedBytesBefore }: Parties): Promise<number[]> {
  const { reservedBytes } = await server.ringStats()
  const processes = [server.broker, publisher, subscriber].map(({ pid }) => processSharedBytes(pid))
  return [systemSharedBytes() - sharedBytesBefore, reservedBytes, ...processes].map((bytes) => bytes / MIB)
}

const LOOK_NAMES = ['system', 'rings', 'broker', 'publisher', 'subscriber']

function metricsOf(when: string): Metric[] {
  return LOOK_NAMES.map((name) => ({ name: `${when}, ${name}`, unit: 'MiB', better: 'lower' }))
}

/**
 * Single payloads until one has gone by ring: a program that has not published for a while has no ring, and its
 * first payloads go by socket.
 */
async function prelude({ server, publisher, subscriber }: Parties, payloadBytes: number): Promise<void> {
  const { byRing } = await server.deliveryCounts()
  for (let attempt = 0; attempt < PRELUDE_MAX; attempt++) {
    await subscriber.call('expect', { payloadBytes })
    await publisher.call('burst', { topic: TOPIC, payloadBytes, count: 1 })
    await subscriber.call('release', { count: 1 })
    if ((await server.deliveryCounts()).byRing > byRing) return
  }
  throw new Error(`None of ${PRELUDE_MAX} payloads went by ring`)
}

/** A burst that nobody handles until all of it is there; looks at it then, as it is handled, and at rest. */
async function measureBurst(peer: Peer, parties: Parties, payloadBytes: number): Promise<number[]> {
  const { server, publisher, subscriber } = parties
  const count = BURST_BYTES / payloadBytes
  await prelude(parties, payloadBytes)
  await subscriber.call('expect', { payloadBytes })
  const inFlight = await audited(
    peer,
    server,
    async () => {
      await publisher.call('burst', { topic: TOPIC, payloadBytes, count })
      const looked = await look(parties)
      await subscriber.call('release', { count })
      return looked
    },
    () => count,
  )
  const handledAtMs = performance.now()
  const elapsedMs = () => performance.now() - handledAtMs
  const handled = await look(parties)
  let rest = handled
  while (Math.max(...rest) > REST_MIB && elapsedMs() < REST_TIMEOUT_MS) {
    await pause(REST_INTERVAL_MS)
    rest = await look(parties)
  }
  return [...inFlight, ...handled, elapsedMs() / 1000, ...rest]
}

async function measure(peer: Peer, profileFolder: string | undefined): Promise<number[]> {
  const sharedBytesBefore = systemSharedBytes()
  const server = await startRingbusBroker(profileFolder, SETTINGS)
  const publisher = new Child<MemoryCommands>(MEMORY, { profileFolder })
  const subscriber = new Child<MemoryCommands>(MEMORY, { profileFolder })
  try {
    const order = { peer: peer.name, address: server.address, payloadBytesMin: SIZES[0]! }
    await Promise.all([publisher, subscriber].map((child) => child.call('connect', order)))
    await subscriber.call('hold', { topic: TOPIC })
    const parties = { server, publisher, subscriber, sharedBytesBefore }
    const values = await look(parties)
    for (const payloadBytes of SIZES) values.push(...(await measureBurst(peer, parties, payloadBytes)))
    return values
  } finally {
    await Promise.all([publisher, subscriber].map((child) => child.stop()))
    await server.stop()
  }
}

export const ringMemoryScenario: Scenario = {
  name: 'ring-memory',
  title: `shared memory before, in and after bursts of ${sizeName(BURST_BYTES)}`,
  metrics: [
    ...metricsOf('before'),
    ...SIZES.flatMap((bytes): Metric[] => [
      ...metricsOf(`${sizeName(bytes)} in flight`),
      ...metricsOf(`${sizeName(bytes)} handled`),
      { name: `${sizeName(bytes)} at rest after`, unit: 's', better: 'lower' },
      ...metricsOf(`${sizeName(bytes)} at rest`),
    ]),
  ],
  peers: ['ringbus-copies', 'ringbus-loan'],
  references: [],
  samplesMax: 3,
  isLong: true,
  measure: (peer, { profileFolder }) => measure(peer, profileFolder),
}
