import { NS_PER_S } from './clock.js'
import type { LatencyFigure, RateFigure } from './figures.js'
import type { Lab } from './lab.js'
import { NothingToMeasure } from './nothing-to-measure.js'
import { percentilesOf } from './percentiles.js'
import { connectAll, disconnectAll, phases } from './phases.js'
import type { PingPongOrder } from './tasks/ping-pong.js'
import type { WorkerProcess } from './worker-process.js'

/** A small message, as most are. */
export const SMALL_BYTES = 128

/** There and back by a bare socket: two processes are woken, as by a message on its way through a broker. */
export async function measureFloorEcho(lab: Lab, slotMs: number): Promise<LatencyFigure> {
  const [near, far] = lab.workers(2)
  const path = lab.newSocketPath()
  const { warmupMs, measuredMs } = phases(slotMs)
  await far!.call('listenBare', { path, use: 'echo' })
  const order = { path, payloadBytes: SMALL_BYTES }
  await near!.call('timeEchoes', { ...order, durationMs: warmupMs }, warmupMs)
  const timesNs = await near!.call('timeEchoes', { ...order, durationMs: measuredMs }, measuredMs)
  return { kind: 'latency', ...percentilesOf(timesNs) }
}

/** From the call of `publish` in one process to the handler in another, in turn from both sides. */
export async function measurePingPong(lab: Lab, slotMs: number): Promise<LatencyFigure> {
  const [near, far] = lab.workers(2)
  const { nearOrder, farOrder } = ordersFor(lab)
  await connectAll(lab, [near!, far!])
  await far!.call('joinPingPong', farOrder)
  await near!.call('joinPingPong', nearOrder)
  return playWith([near!, far!], slotMs)
}

/**
 * The same with clients that poll. Where there is a place for one event loop alone, both ends are in one process, as
 * clients that share a loop do; a second process would sleep.
 */
export async function measureLowLatency(lab: Lab, slotMs: number): Promise<LatencyFigure> {
  const polling = await lab.polling()
  const places = polling === undefined ? 2 : polling.places - polling.placesTaken
  if (places < 1) throw new NothingToMeasure('there is no place for a client that polls')
  const [near, far] = lab.workers(2)
  const { nearOrder, farOrder } = ordersFor(lab)
  if (places > 1) {
    await connectAll(lab, [near!, far!], 'low')
    await far!.call('joinPingPong', farOrder)
    await near!.call('joinPingPong', nearOrder)
    return playWith([near!, far!], slotMs)
  }
  await near!.call('connectTwice', { path: lab.path, brokerUid: lab.brokerUid, latency: 'low' })
  await near!.call('joinFarEnd', farOrder)
  await near!.call('joinPingPong', nearOrder)
  return { ...(await playWith([near!], slotMs)), note: 'both ends in one process' }
}

function ordersFor(lab: Lab): { nearOrder: PingPongOrder; farOrder: PingPongOrder } {
  const ping = lab.newTopic('ping')
  const pong = lab.newTopic('pong')
  return {
    nearOrder: { says: ping, hears: pong, payloadBytes: SMALL_BYTES },
    farOrder: { says: pong, hears: ping, payloadBytes: SMALL_BYTES },
  }
}

/** The first of them serves. */
async function playWith(workers: readonly WorkerProcess[], slotMs: number): Promise<LatencyFigure> {
  const { warmupMs, measuredMs } = phases(slotMs)
  const take = () => Promise.all(workers.map((worker) => worker.call('takeTimes', null)))
  await workers[0]!.call('playPingPong', warmupMs, warmupMs)
  await take()
  await workers[0]!.call('playPingPong', measuredMs, measuredMs)
  const timesNs = (await take()).flat()
  await disconnectAll(workers)
  return { kind: 'latency', ...percentilesOf(...timesNs) }
}

/** From the call of `request` to the reply. */
export async function measureRequest(lab: Lab, slotMs: number): Promise<LatencyFigure> {
  const { timesNs } = await askFor(lab, slotMs, 1)
  return { kind: 'latency', ...percentilesOf(timesNs) }
}

export async function measureRequestsInFlight(
  lab: Lab,
  slotMs: number,
  inFlight: number,
): Promise<RateFigure> {
  const { timesNs, elapsedNs } = await askFor(lab, slotMs, inFlight)
  const messages = timesNs.length
  const perSecond = (messages / elapsedNs) * NS_PER_S
  const bytesPerSecond = perSecond * SMALL_BYTES
  return {
    kind: 'rate',
    messages,
    payloadBytes: SMALL_BYTES,
    perSecond,
    bytesPerSecond,
    byRing: null,
    bySocket: null,
  }
}

async function askFor(
  lab: Lab,
  slotMs: number,
  inFlight: number,
): Promise<{ elapsedNs: number; timesNs: Float64Array }> {
  const [near, far] = lab.workers(2)
  const topic = lab.newTopic('echo')
  const { warmupMs, measuredMs } = phases(slotMs)
  await connectAll(lab, [near!, far!])
  await far!.call('serveEcho', { topic, concurrency: inFlight })
  const order = { topic, payloadBytes: SMALL_BYTES, inFlight }
  await near!.call('ask', { ...order, durationMs: warmupMs }, warmupMs)
  const asked = await near!.call('ask', { ...order, durationMs: measuredMs }, measuredMs)
  await disconnectAll([near!, far!])
  return asked
}
