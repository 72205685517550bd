/** The payload of a message that came by ring. */
export interface RingPayload {
  /** Throws INVALID_ARGUMENT once it is released. */
  readonly bytes: Buffer
  /** Gives memory back that belongs to others; false when it is this process's own. */
  release(): boolean
}

/** A payload that was copied out of its ring. */
export class CopiedPayload implements RingPayload {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  release(): boolean {
    return false
  }
}
