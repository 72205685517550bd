import type { Link } from './service.js'

/** Ids are a slot and a generation, so that a reply to a request long gone never meets a new one. [REQUEST-4] */
const SLOT_BITS = 20
const SLOTS_MAX = 1 << SLOT_BITS
const GENERATIONS = 1 << (32 - SLOT_BITS)

export type NewLink = Omit<Link, 'id' | 'state' | 'service' | 'line' | 'pullDueBytes'>

/** The requests that are on their way, by the ids under which responders know them. */
export class LinkTable {
  readonly #slots: (Link | undefined)[] = []
  readonly #generations: number[] = []
  readonly #free: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Undefined: there are as many requests on their way as there are slots. */
  open(spec: NewLink): Link | undefined {
    const slot = this.#free.pop() ?? this.#slots.length
    if (slot === SLOTS_MAX) return undefined
    const generation = ((this.#generations[slot] ?? 0) + 1) % GENERATIONS
    this.#generations[slot] = generation
    const id = ((generation << SLOT_BITS) | slot) >>> 0
    // Field by field: a copy of `spec` takes ten times as long, and outlives collections of young objects.
    const link: Link = {
      requester: spec.requester,
      requestId: spec.requestId,
      route: spec.route,
      priority: spec.priority,
      streams: spec.streams,
      streamCredit: spec.streamCredit,
      id,
      pullDueBytes: 0,
      state: 'held',
      service: undefined,
      line: undefined,
    }
    this.#slots[slot] = link
    this.#size += 1
    return link
  }

  find(id: number): Link | undefined {
    const link = this.#slots[id & (SLOTS_MAX - 1)]
    return link?.id === id ? link : undefined
  }

  close(link: Link): void {
    const slot = link.id & (SLOTS_MAX - 1)
    if (this.#slots[slot] !== link) return
    link.state = 'ended'
    this.#slots[slot] = undefined
    this.#free.push(slot)
    this.#size -= 1
  }
}
