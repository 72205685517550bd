/** The topics that the broker's ids stand for at this point of the stream. [SUB-5] */
export class TopicNames {
  readonly #names = new Map<number, string>()
  #lastId = 0
  #lastName: string | undefined

  bind(id: number, name: string): void {
    this.#names.set(id, name)
    this.#lastName = undefined
  }

  find(id: number): string | undefined {
    if (id === this.#lastId && this.#lastName !== undefined) return this.#lastName
    const name = this.#names.get(id)
    this.#lastId = id
    this.#lastName = name
    return name
  }

  /** The ids of another connection mean nothing. */
  clear(): void {
    this.#names.clear()
    this.#lastName = undefined
  }
}
