/** Bytes of address space that segments may have: of one user, and of all together. What is resident is far less. */
export interface QuotaLimits {
  readonly ringUserBytesMax: number
  readonly ringTotalBytesMax: number
}

/** What segments there are, by the users that own them. */
export class RingQuota {
  readonly #limits: QuotaLimits
  readonly #byUser = new Map<number, number>()
  #totalBytes = 0

  constructor(limits: QuotaLimits) {
    this.#limits = limits
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Why a user may not have a segment of this size; undefined when it may. */
  refusal(uid: number, bytes: number): string | undefined {
    const { ringUserBytesMax, ringTotalBytesMax } = this.#limits
    const ofUser = this.#byUser.get(uid) ?? 0
    if (ofUser + bytes > ringUserBytesMax) {
      return `The rings of user ${uid} have ${ofUser} bytes, and may have ${ringUserBytesMax}`
    }
    if (this.#totalBytes + bytes > ringTotalBytesMax) {
      return `All rings together have ${this.#totalBytes} bytes, and may have ${ringTotalBytesMax}`
    }
    return undefined
  }

  take(uid: number, bytes: number): void {
    this.#byUser.set(uid, (this.#byUser.get(uid) ?? 0) + bytes)
    this.#totalBytes += bytes
  }

  give(uid: number, bytes: number): void {
    const left = (this.#byUser.get(uid) ?? 0) - bytes
    if (left > 0) this.#byUser.set(uid, left)
    else this.#byUser.delete(uid)
    this.#totalBytes -= bytes
  }
}
