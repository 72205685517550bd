import type { OverflowPolicy } from '../../protocol/index.js'
import { type Sent, weightOf } from './delivery-stage.js'

const TOPIC_BYTES = 512

/** What SPEC.md says of a backlog, in the most obvious way. */
export class BacklogModel {
  readonly dropped = { oldest: 0, newest: 0, replaced: 0 }
  #queued: Required<Sent>[] = []
  readonly #policy: OverflowPolicy
  readonly #bytesMax: number
  readonly #messagesMax: number

  constructor(policy: OverflowPolicy, bytesMax: number, messagesMax: number) {
    this.#policy = policy
    this.#bytesMax = bytesMax
    this.#messagesMax = messagesMax
  }

  get messages(): number {
    return this.#queued.length
  }

  get bytes(): number {
    const topics = new Set(this.#queued.map(({ topic }) => topic))
    return this.#queued.reduce((sum, message) => sum + weightOf(message), topics.size * TOPIC_BYTES)
  }

  /** What leaves, in the order in which it does. */
  get order(): number[] {
    return [...this.#queued].sort((one, other) => other.priority - one.priority).map(({ mark }) => mark)
  }

  push(message: Required<Sent>): void {
    const before = this.#queued
    if (this.#policy === 'latest') this.#replace(message)
    else this.#queued = [...before, message]
    if (this.#policy === 'drop-newest' && this.#isOver) {
      this.#queued = before
      this.dropped.newest += 1
    }
    while (this.#isOver) this.#dropOldest()
  }

  get #isOver(): boolean {
    return this.messages > 1 && (this.messages > this.#messagesMax || this.bytes > this.#bytesMax)
  }

  #replace(message: Required<Sent>): void {
    const index = this.#queued.findIndex(({ topic }) => topic === message.topic)
    if (index >= 0) this.dropped.replaced += 1
    if (index >= 0 && this.#queued[index]!.priority === message.priority) {
      this.#queued = this.#queued.with(index, message)
    } else {
      this.#queued = [...this.#queued.filter((_, other) => other !== index), message]
    }
  }

  #dropOldest(): void {
    const lowest = Math.min(...this.#queued.map(({ priority }) => priority))
    const victim = this.#queued.findIndex(({ priority }) => priority === lowest)
    this.#queued = this.#queued.filter((_, index) => index !== victim)
    this.dropped.oldest += 1
  }
}
