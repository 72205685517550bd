import type { RingbusError } from '../../protocol/index.js'
import type { Barriers } from '../outbound/barriers.js'
import type { Outbox } from '../outbound/outbox.js'
import type { Member } from './member.js'

const ID_MAX = 0xffff_ffff

/** The subscriptions and services of a client by id: they share one space, since DELIVER names either. [SUB-3] */
export class Registry {
  readonly #outbox: Outbox
  readonly #barriers: Barriers
  readonly #members = new Map<number, Member>()
  #unaccepted: Member[] = []
  #lastId = 0

  constructor(outbox: Outbox, barriers: Barriers) {
    this.#outbox = outbox
    this.#barriers = barriers
  }

  /** An id that nothing bears, nor owes the broker a report by. 0 is none. [CREDIT-3] */
  nextId(): number {
    do this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1
    while (this.#members.has(this.#lastId))
    return this.#lastId
  }

  add(member: Member): void {
    this.#members.set(member.id, member)
    if (!this.#outbox.isConnected) return
    member.enrol()
    if (this.#unaccepted.push(member) === 1) queueMicrotask(() => this.#awaitAcceptance())
  }

  find(id: number): Member | undefined {
    return this.#members.get(id)
  }

  remove(member: Member): void {
    this.#members.delete(member.id)
  }

  all(): Member[] {
    return [...this.#members.values()]
  }

  /** Announces everything on a new connection, except what only finishes what the last one has brought. */
  enrolAll(): void {
    for (const member of this.all()) if (member.takesFrames) member.enrol()
    this.confirmAll()
  }

  /** Asks whether everything that was announced is accepted. */
  confirmAll(): void {
    this.#unaccepted = this.all()
    this.#awaitAcceptance()
  }

  connectionLost(): void {
    this.#unaccepted = []
    for (const member of this.all()) member.connectionLost()
  }

  close(error: RingbusError, wished: boolean): void {
    for (const member of this.all()) member.close(error, wished)
  }

  /** Silence is acceptance: what the broker refuses, it refuses before it answers the barrier. [SUB-1] */
  #awaitAcceptance(): void {
    const members = this.#unaccepted
    this.#unaccepted = []
    if (members.length === 0) return
    const accept = () => {
      for (const member of members) member.accepted()
    }
    // When the connection ends first, they are announced again on the next one.
    this.#barriers.pass().then(accept, () => undefined)
  }
}
