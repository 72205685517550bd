const CAPACITY_MIN = 16

/** A table of up to this many places is kept as it is when it runs empty, for it will soon be needed again. */
const CAPACITY_KEPT = 1024

/**
 * Values by u32 ids, for what comes and goes with every request. A Map in that place makes garbage: every so often it
 * gives up its table for another, each of them points to the next, and one that has grown old keeps all later ones
 * alive, with what they hold, until the next full collection.
 *
 *   ids     | 17 |    | 34 | 18 |    |    |    | 23 |      an entry stands at its id modulo the capacity, or in the first
 *   values  |  a |  – |  b |  c |  – |  – |  – |  d |      free place behind that; no more than half of the places are taken
 */
export class IdTable<Value extends object> {
  #ids = new Uint32Array(CAPACITY_MIN)
  #values: (Value | undefined)[] = emptyPlaces(CAPACITY_MIN)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): Value | undefined {
    return this.#values[this.#placeOf(id)]
  }

  has(id: number): boolean {
    return this.get(id) !== undefined
  }

  /** Adds an entry, or replaces the one with this id. */
  set(id: number, value: Value): void {
    const place = this.#placeOf(id)
    const isNew = this.#values[place] === undefined
    this.#ids[place] = id
    this.#values[place] = value
    if (!isNew) return
    this.#size += 1
    if (this.#size * 2 > this.#ids.length) this.#resize(this.#ids.length * 2)
  }

  /** Whether there was such an entry. */
  delete(id: number): boolean {
    const place = this.#placeOf(id)
    if (this.#values[place] === undefined) return false
    this.#size -= 1
    this.#close(place)
    const capacity = this.#ids.length
    if (capacity > CAPACITY_KEPT && this.#size * 8 < capacity) this.#resize(capacity / 4)
    return true
  }

  clear(): void {
    this.#ids = new Uint32Array(CAPACITY_MIN)
    this.#values = emptyPlaces(CAPACITY_MIN)
    this.#size = 0
  }

  /** What is there now, in no order. */
  values(): Value[] {
    return this.#values.filter((value) => value !== undefined)
  }

  /** Where the entry is, or would be. */
  #placeOf(id: number): number {
    const mask = this.#ids.length - 1
    let place = id & mask
    while (this.#values[place] !== undefined && this.#ids[place] !== id) place = (place + 1) & mask
    return place
  }

  /** Frees a place, and moves entries up to it that would not be found behind a free one. */
  #close(freed: number): void {
    const mask = this.#ids.length - 1
    let free = freed
    for (let place = (free + 1) & mask; this.#values[place] !== undefined; place = (place + 1) & mask) {
      const home = this.#ids[place]! & mask
      // Its home lies behind the free place, so that it is found where it is.
      if (((place - home) & mask) < ((place - free) & mask)) continue
      this.#ids[free] = this.#ids[place]!
      this.#values[free] = this.#values[place]
      free = place
    }
    this.#values[free] = undefined
  }

  #resize(capacity: number): void {
    const ids = this.#ids
    const values = this.#values
    this.#ids = new Uint32Array(capacity)
    this.#values = emptyPlaces(capacity)
    for (let place = 0; place < values.length; place++) {
      const value = values[place]
      if (value === undefined) continue
      const free = this.#placeOf(ids[place]!)
      this.#ids[free] = ids[place]!
      this.#values[free] = value
    }
  }
}

function emptyPlaces<Value>(count: number): (Value | undefined)[] {
  return new Array<Value | undefined>(count).fill(undefined)
}
