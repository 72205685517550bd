/** What one subscription may have queued in this broker. */
export interface BrokerBacklogLimits {
  readonly backlogBytesMax: number
  readonly backlogMessagesMax: number
}

/** What one subscription may have queued: as much as it asked for, and the broker allows at this moment. */
export class BacklogLimits {
  readonly #broker: BrokerBacklogLimits
  readonly #bytesAsked: number
  readonly #messagesAsked: number

  /** Who asks for nothing may have what the broker allows. */
  constructor(broker: BrokerBacklogLimits, bytesAsked?: number, messagesAsked?: number) {
    this.#broker = broker
    this.#bytesAsked = bytesAsked ?? Number.POSITIVE_INFINITY
    this.#messagesAsked = messagesAsked ?? Number.POSITIVE_INFINITY
  }

  get bytes(): number {
    return Math.min(this.#bytesAsked, this.#broker.backlogBytesMax)
  }

  get messages(): number {
    return Math.min(this.#messagesAsked, this.#broker.backlogMessagesMax)
  }
}
