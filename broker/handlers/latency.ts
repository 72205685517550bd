import { decodeBody, Kind, LATENCY_SAMPLES_MAX, patternMatches } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import type { Route } from '../routing/route.js'
import { Subscription } from '../routing/subscription.js'
import type { Handler } from './handler.js'

/** Subscriptions that are looked at for one sample: it is not worth a longer search. */
const SEARCHED_MAX = 256

/** Takes what a client has measured, as far as it can have got these messages. [FLOW-4] */
export const onLatency: Handler = (hub, peer, bytes, start, length) => {
  const { samples } = decodeBody(Kind.LATENCY, bytes, start, length)
  for (const sample of samples.slice(0, LATENCY_SAMPLES_MAX)) take(hub, peer, sample)
}

function take(hub: Hub, peer: Peer, sample: unknown): void {
  if (!Array.isArray(sample)) return
  const [topic, nanoseconds] = sample
  if (typeof topic !== 'string' || !Number.isSafeInteger(nanoseconds) || nanoseconds < 0) return
  // So nobody can make up topics: those that there are, their publishers pay for with an alias.
  const route = hub.router.find(topic)
  if (route === undefined || route.reserved || !subscribes(hub, peer, route)) return
  hub.latencies.record(topic, nanoseconds)
}

/** Whether the client has a subscription to the topic: looked for where fewer have to be looked at. */
function subscribes(hub: Hub, peer: Peer, route: Route): boolean {
  const { direct, groups } = hub.router.targetsOf(route)
  const subscriberCount = groups.reduce((sum, { members }) => sum + members.length, direct.length)
  if (Math.min(peer.consumers.size, subscriberCount) > SEARCHED_MAX) return false
  if (peer.consumers.size < subscriberCount) return hasMatching(peer, route.name)
  const isOwn = ({ owner }: Subscription) => owner.id === peer.id
  return direct.some(isOwn) || groups.some(({ members }) => members.some(isOwn))
}

function hasMatching(peer: Peer, topic: string): boolean {
  for (const consumer of peer.consumers.values()) {
    if (consumer instanceof Subscription && patternMatches(consumer.pattern, topic)) return true
  }
  return false
}
