import { NS_PER_S } from './clock.js'
import type { LatencyFigure, RateFigure } from './figures.js'
import type { Lab } from './lab.js'
import { percentilesOf } from './percentiles.js'
import { connectAll, disconnectAll, phases } from './phases.js'

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
  const ping = lab.newTopic('ping')
  const pong = lab.newTopic('pong')
  const { warmupMs, measuredMs } = phases(slotMs)
  await connectAll(lab, [near!, far!])
  await far!.call('joinPingPong', { says: pong, hears: ping, payloadBytes: SMALL_BYTES })
  await near!.call('joinPingPong', { says: ping, hears: pong, payloadBytes: SMALL_BYTES })
  const take = () => Promise.all([near!.call('takeTimes', null), far!.call('takeTimes', null)])
  await near!.call('playPingPong', warmupMs, warmupMs)
  await take()
  await near!.call('playPingPong', measuredMs, measuredMs)
  const timesNs = await take()
  await disconnectAll([near!, far!])
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
