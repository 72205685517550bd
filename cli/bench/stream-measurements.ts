import { NS_PER_S } from './clock.js'
import type { RateFigure } from './figures.js'
import type { Lab, RingDeliveries } from './lab.js'
import { connectAll, disconnectAll, phases } from './phases.js'
import { StreamFault } from './stream-fault.js'
import type { WorkerProcess } from './worker-process.js'

export interface StreamPlan {
  readonly payloadBytes: number
  readonly subscribers: number
  /** Whether the publisher writes into the ring's own memory and subscribers read there. */
  readonly inPlace: boolean
}

/** What is on its way, at most: less than the backlog that a subscription may have, so that nobody is paused. */
const WINDOW_MESSAGES = 16_384
const WINDOW_BYTES = 6 * 1024 * 1024
/** One message in flight and one on its way there, however large they are. */
const WINDOW_MESSAGES_MIN = 2
/** Published before the loop has its turn again. */
const BURST_MESSAGES_MAX = 1024
/** Reports in the time of a window, so that a publisher need not stop for one. */
const REPORTS_PER_WINDOW = 8

/** Payloads from this size on may go by ring. */
const RING_BYTES_MIN = 16 * 1024

/** What two processes of Node can pass on through a bare socket. */
export async function measureFloorStream(lab: Lab, slotMs: number, pieceBytes: number): Promise<RateFigure> {
  const [near, far] = lab.workers(2)
  const { warmupMs, measuredMs } = phases(slotMs)
  const run = async (durationMs: number) => {
    const path = lab.newSocketPath()
    await far!.call('listenBare', { path, use: 'count' })
    const written = await near!.call('writePieces', { path, pieceBytes, durationMs }, durationMs)
    const counted = await far!.call('countBare', null, durationMs)
    if (written.bytes === counted.received) return { ...written, endNs: counted.endNs }
    throw new StreamFault(`${counted.received} of ${written.bytes} bytes came through the bare socket`)
  }
  await run(warmupMs)
  const { bytes, startNs, endNs } = await run(measuredMs)
  return rate({ messages: bytes / pieceBytes, payloadBytes: pieceBytes, elapsedNs: endNs - startNs })
}

/** One publisher, and subscribers that get everything, each a process. */
export async function measureStream(lab: Lab, slotMs: number, plan: StreamPlan): Promise<RateFigure> {
  const { payloadBytes, subscribers } = plan
  const [publisher, ...readers] = lab.workers(1 + subscribers)
  const { warmupMs, measuredMs } = phases(slotMs)
  await connectAll(lab, [publisher!, ...readers])
  await prepare(lab, plan, publisher!, readers)
  await runStream(publisher!, readers, warmupMs)
  const isLarge = payloadBytes >= RING_BYTES_MIN
  const before = isLarge ? await lab.ringDeliveries() : undefined
  const { sent, elapsedNs } = await runStream(publisher!, readers, measuredMs)
  const after = isLarge ? await lab.ringDeliveries() : undefined
  await disconnectAll([publisher!, ...readers])
  const messages = sent * subscribers
  return { ...rate({ messages, payloadBytes, elapsedNs }), ...ways(messages, before, after) }
}

async function prepare(
  lab: Lab,
  { payloadBytes, inPlace }: StreamPlan,
  publisher: WorkerProcess,
  readers: readonly WorkerProcess[],
): Promise<void> {
  const order = { topic: lab.newTopic('stream'), progressTopic: lab.newTopic('progress'), payloadBytes }
  const windowMessages = windowFor(payloadBytes)
  const reportMessages = Math.max(1, Math.floor(windowMessages / REPORTS_PER_WINDOW))
  const burstMessages = Math.min(BURST_MESSAGES_MAX, reportMessages)
  await Promise.all([
    publisher.call('preparePublisher', {
      ...order,
      windowMessages,
      burstMessages,
      subscribers: readers.length,
      loans: inPlace,
    }),
    ...readers.map((reader, index) =>
      reader.call('prepareSubscriber', { ...order, index, reportMessages, views: inPlace }),
    ),
  ])
}

/** Time runs from the first call of `publish` to the last handler. */
async function runStream(
  publisher: WorkerProcess,
  readers: readonly WorkerProcess[],
  durationMs: number,
): Promise<{ sent: number; elapsedNs: number }> {
  await Promise.all(readers.map((reader) => reader.call('expectStream', null)))
  const [{ sent, startNs }, ...received] = await Promise.all([
    publisher.call('publishStream', durationMs, durationMs),
    ...readers.map((reader) => reader.call('awaitStream', null, durationMs)),
  ])
  for (const { received: count } of received) {
    if (count !== sent) throw new StreamFault(`${count} of ${sent} payloads came`)
  }
  return { sent, elapsedNs: Math.max(...received.map(({ endNs }) => endNs)) - startNs }
}

function windowFor(payloadBytes: number): number {
  const messages = Math.min(WINDOW_MESSAGES, Math.floor(WINDOW_BYTES / payloadBytes))
  return Math.max(WINDOW_MESSAGES_MIN, messages)
}

function rate(counts: { messages: number; payloadBytes: number; elapsedNs: number }): RateFigure {
  const { messages, payloadBytes, elapsedNs } = counts
  const perSecond = (messages / elapsedNs) * NS_PER_S
  const bytesPerSecond = perSecond * payloadBytes
  return { kind: 'rate', messages, payloadBytes, perSecond, bytesPerSecond, byRing: null, bySocket: null }
}

/** Others may use rings of a running broker as well, so what is more than ours is not counted. */
function ways(
  messages: number,
  before: RingDeliveries | undefined,
  after: RingDeliveries | undefined,
): Pick<RateFigure, 'byRing' | 'bySocket'> {
  if (before === undefined || after === undefined) return { byRing: null, bySocket: null }
  const byRing = Math.min(messages, after.byRing - before.byRing)
  return { byRing, bySocket: messages - byRing }
}
