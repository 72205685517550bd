/** Ids are given from 1; 0 stands in frames without a topic, and here for a topic that has no id now. */
export const NO_ID = 0

/** A topic as subscribers see it on the wire: an id, and the NAME frame that explains it. [SUB-5] */
export class WireTopic {
  readonly name: string
  id = NO_ID
  /** Tells this binding of the id from every other one, so that each client is told once. */
  binding = 0
  /** Set by every publish, cleared by the hand that looks for unused ids. */
  used = false
  #nameFrame: Buffer | undefined

  constructor(name: string) {
    this.name = name
  }

  get nameFrame(): Buffer {
    return this.#nameFrame!
  }

  bind(id: number, binding: number, nameFrame: Buffer): void {
    this.id = id
    this.binding = binding
    this.#nameFrame = nameFrame
  }

  unbind(): void {
    this.id = NO_ID
    this.#nameFrame = undefined
  }
}
