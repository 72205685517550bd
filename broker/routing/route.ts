import { isReserved } from '../../protocol/index.js'
import { WireTopic } from '../egress/wire-topic.js'
import type { TopicPause } from '../flow/topic-pause.js'
import type { KeptMessage } from '../retained/kept-message.js'
import type { Subscription } from './subscription.js'

/** The subscriptions of one group that match a topic: each message goes to one of them. [SUB-7] */
export interface QueueGroup {
  readonly members: Subscription[]
  /** Whose turn it was last. */
  turn: number
}

/**
 * Where the messages of one topic go: the answer of the trie, kept until subscriptions change. Shared by every
 * connection that has bound an alias to the topic.
 */
export class Route extends WireTopic {
  /** Topics of the broker itself take no messages from clients. [TOPIC-4] */
  readonly reserved: boolean
  /** Aliases bound to this route; the table forgets it with the last one, unless a message is kept. */
  bindings = 0
  /** The message that greets those who subscribe to the topic. [RETAIN-1] */
  kept: KeptMessage | undefined
  /** The state of the routing table that `direct` and `groups` answer for. */
  version = -1
  direct: readonly Subscription[] = []
  groups: readonly QueueGroup[] = []
  /** Set while its publishers are paused. [FLOW-2] */
  pause: TopicPause | undefined

  constructor(name: string) {
    super(name)
    this.reserved = isReserved(name)
  }

  /** Forgets the answer of the trie. */
  reset(): void {
    this.version = -1
    this.direct = []
    this.groups = []
  }
}
