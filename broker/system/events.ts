import { Encoding, FrameRun, Kind, messageFrame, Offset, packValue, readU32 } from '../../protocol/index.js'
import type { Router } from '../routing/router.js'

type Event = Record<string, unknown>

/** Events of one topic that one message carries; the rest of a burst is only counted. */
const EVENTS_PER_MESSAGE_MAX = 256

/**
 * What the broker publishes about itself under `$SYS`. Events of one turn of the loop go out as one message,
 * so that a thousand clients that connect at once are no thousand messages. None is built when nobody watches.
 */
export class SystemEvents {
  readonly #router: Router
  readonly #flush: () => void
  #pending = new Map<string, { events: Event[]; more: number }>()

  constructor(router: Router, flush: () => void) {
    this.#router = router
    this.#flush = flush
  }

  publish(topic: string, describe: () => Event): void {
    if (!this.#router.hasSubscribers(topic)) return
    if (this.#pending.size === 0) setImmediate(() => this.#publishPending())
    let batch = this.#pending.get(topic)
    if (batch === undefined) {
      batch = { events: [], more: 0 }
      this.#pending.set(topic, batch)
    }
    if (batch.events.length < EVENTS_PER_MESSAGE_MAX) batch.events.push(describe())
    else batch.more += 1
  }

  #publishPending(): void {
    const pending = this.#pending
    this.#pending = new Map()
    for (const [topic, { events, more }] of pending) {
      const route = this.#router.acquire(topic)
      const payload = packValue({ events, more })
      const frame = messageFrame({ kind: Kind.MESSAGE, encoding: Encoding.MSGPACK }, payload)
      this.#router.publish(route, FrameRun.of(frame, 0, readU32(frame, Offset.LENGTH)), undefined)
      this.#router.release(route)
    }
    this.#flush()
  }
}
