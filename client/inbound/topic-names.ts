/**
 * The topics that the broker's ids stand for at this point of the stream. [SUB-5] What has arrived before may go on
 * to use the names as they are now: then the next change of a binding goes to a copy.
 */
export class TopicNames {
  /** By id. The broker counts ids from 1 and gives them out anew, so there are no more than topics in use. [SUB-5] */
  #names: (string | undefined)[] = []
  #isCaptured = false

  bind(id: number, name: string): void {
    const bound = this.#names[id]
    if (this.#isCaptured && bound !== undefined && bound !== name) {
      this.#names = this.#names.slice()
      this.#isCaptured = false
    }
    this.#names[id] = name
  }

  find(id: number): string | undefined {
    return this.#names[id]
  }

  /** The names by id, in which those that are bound now never change. */
  capture(): readonly (string | undefined)[] {
    this.#isCaptured = true
    return this.#names
  }

  /** The ids of another connection mean nothing. */
  clear(): void {
    this.#names = []
    this.#isCaptured = false
  }
}
