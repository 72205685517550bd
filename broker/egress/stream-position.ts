import type { Gather } from './gather.js'
import type { Lane } from './lane.js'
import type { WireTopic } from './wire-topic.js'

/** Bindings are counted from 1. */
const NO_BINDING = 0

/** Bindings that are found without a look into the map; a power of two. */
const RECENT_BINDINGS = 64

/**
 * What a client knows at this point of its stream: the lane that frames are for, and the names of topic ids. Before
 * each frame go the DELIVER and NAME frames that the client needs to understand it. [SUB-4] [SUB-5]
 */
export class StreamPosition {
  #lane: Lane | undefined
  /** The binding under which the client knows each topic id; made with the first. */
  #bindings: Map<number, number> | undefined
  /** Some of those bindings, each in the place of its last digits; made with the second topic. */
  #recent: number[] | undefined
  /** The topic looked up last: most streams stay at one. */
  #lastTopic: WireTopic | undefined
  #lastBinding = 0

  /** Makes the client ready for a frame; `topic` is undefined for replies, which carry none. */
  moveTo(lane: Lane, topic: WireTopic | undefined, gather: Gather): void {
    // The lane of replies has no id: they name their request themselves.
    if (this.#lane !== lane && lane.id !== 0) {
      this.#lane = lane
      const frame = lane.deliverFrame
      gather.add(frame, 0, frame.length)
    }
    if (topic === undefined) return
    if (this.#lastTopic === topic && this.#lastBinding === topic.binding) return
    this.#name(topic, gather)
  }

  /** The lane is gone, and its id may be used again: the stream does not stand at it any more. */
  forget(lane: Lane): void {
    if (this.#lane === lane) this.#lane = undefined
  }

  #name(topic: WireTopic, gather: Gather): void {
    const { id, binding } = topic
    if (this.#lastTopic !== undefined) this.#recent ??= new Array(RECENT_BINDINGS).fill(NO_BINDING)
    this.#lastTopic = topic
    this.#lastBinding = binding
    const place = binding % RECENT_BINDINGS
    if (this.#recent?.[place] === binding) return
    if (this.#recent !== undefined) this.#recent[place] = binding
    this.#bindings ??= new Map()
    if (this.#bindings.get(id) === binding) return
    this.#bindings.set(id, binding)
    const frame = topic.nameFrame
    gather.add(frame, 0, frame.length)
  }
}
