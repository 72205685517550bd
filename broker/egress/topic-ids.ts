import { controlFrame, Kind } from '../../protocol/index.js'
import { NO_ID, type WireTopic } from './wire-topic.js'

/**
 * Ids that are given out before any is taken back. Each costs its topic's routes, a few hundred bytes; beyond this
 * number the least recently used topics lose their ids, and get new ones with the next message.
 */
const IDS_KEPT = 16_384

const FIRST_ID = NO_ID + 1

interface Slot {
  topic: WireTopic
  pins: number
}

/**
 * Gives topics the ids under which frames carry them to subscribers. Ids are a cache: the hand goes round,
 * passes over those that are pinned by a queued frame or were used since its last visit, and takes the
 * others back (the second-chance algorithm).
 */
export class TopicIds {
  readonly #slots: (Slot | undefined)[] = [undefined]
  #hand = FIRST_ID
  #pinned = 0
  #bindings = 0

  /** Binds an id to a topic that has none. */
  assign(topic: WireTopic): void {
    const id = this.#freeId()
    this.#slots[id] = { topic, pins: 0 }
    this.#bindings += 1
    topic.bind(id, this.#bindings, controlFrame(Kind.NAME, id, 0, Buffer.from(topic.name, 'utf8')))
  }

  /** The topic that a pinned id is bound to. */
  topicOf(id: number): WireTopic {
    return this.#slots[id]!.topic
  }

  /** Keeps an id bound as long as a queued frame carries it. Frames without a topic carry no id to keep. */
  pin(id: number): void {
    if (id === NO_ID) return
    const slot = this.#slots[id]!
    if (slot.pins === 0) this.#pinned += 1
    slot.pins += 1
  }

  unpin(id: number): void {
    if (id === NO_ID) return
    const slot = this.#slots[id]!
    slot.pins -= 1
    if (slot.pins === 0) this.#pinned -= 1
  }

  #freeId(): number {
    // Pinned ids do not count, or the hand would go far for each of the few that are not.
    if (this.#slots.length <= IDS_KEPT + this.#pinned) return this.#slots.length
    // More than IDS_KEPT are not pinned. One round clears every mark of use, so that a second one finds one.
    for (;;) {
      const id = this.#hand
      this.#hand = id + 1 < this.#slots.length ? id + 1 : FIRST_ID
      const { topic, pins } = this.#slots[id]!
      if (pins > 0) continue
      if (!topic.used) {
        topic.unbind()
        return id
      }
      topic.used = false
    }
  }
}
