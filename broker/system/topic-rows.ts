import { ENCODING_NAMES } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Route } from '../routing/route.js'

type Row = Record<string, unknown>

/** The topics that clients have bound, of which a message is kept, or of which latencies are known. */
export function* topics(hub: Hub): Iterable<string> {
  for (const { name } of hub.router.routes) yield name
  for (const name of hub.latencies.topics) if (hub.router.find(name) === undefined) yield name
}

/** A topic as $SYS shows it. */
export function topic(hub: Hub, name: string): Row {
  const route = hub.router.find(name)
  return {
    topic: name,
    publishers: route?.bindings ?? 0,
    subscribers: hub.router.subscriberCount(name),
    pausedSinceMs: route?.pause?.isPaused ? route.pause.sinceMs : null,
    pausedPublishers: route?.pause?.publisherCount ?? 0,
    retainedBytes: route?.kept?.bytes ?? null,
    latency: hub.latencies.of(name) ?? null,
  }
}

/** A topic of which a message is kept; times are those of the system's clock. */
export function retained({ name, kept }: Route): Row {
  const { bytes, keptAtMs, expiryNs, encoding, priority } = kept!
  return {
    topic: name,
    bytes,
    sinceMs: keptAtMs,
    expiresMs: expiryNs === 0 ? null : epochMs(expiryNs),
    encoding: ENCODING_NAMES[encoding],
    priority,
  }
}

function epochMs(monotonicNs: number): number {
  return Math.round(Date.now() + (monotonicNs - Number(process.hrtime.bigint())) / 1e6)
}
