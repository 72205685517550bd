import type { Outbox } from '../egress/outbox.js'

/** What flow control needs of a client that publishes. */
export interface Publisher {
  readonly id: number
  readonly outbox: Pick<Outbox, 'isOpen' | 'notify'>
  /** TOPIC frames read from it, mod 2^32: they say which binding of an alias a PAUSE means. [WIRE-2.8] */
  readonly topicFramesRead: number
}
