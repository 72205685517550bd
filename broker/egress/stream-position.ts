import type { Gather } from './gather.js'
import type { Lane } from './lane.js'
import type { WireTopic } from './wire-topic.js'

/**
 * What a client knows at this point of its stream: the lane that frames are for, and the names of topic ids. Before
 * each frame go the DELIVER and NAME frames that the client needs to understand it. [SUB-4] [SUB-5]
 */
export class StreamPosition {
  #lane: Lane | undefined
  /** The binding under which the client knows each topic id; made with the first. */
  #bindings: Map<number, number> | undefined
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
    this.#lastTopic = topic
    this.#lastBinding = topic.binding
    this.#bindings ??= new Map()
    if (this.#bindings.get(topic.id) === topic.binding) return
    this.#bindings.set(topic.id, topic.binding)
    const frame = topic.nameFrame
    gather.add(frame, 0, frame.length)
  }
}
