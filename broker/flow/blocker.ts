import type { OverflowPolicy } from '../../protocol/index.js'

/** A subscription as far as it may hold publishers up. */
export interface Blocker {
  readonly group: string | undefined
  /** `block` unless it is slow now, or asked for something else. */
  readonly policy: OverflowPolicy
  /** Only one that is active is sent anything more. */
  readonly state: 'active' | 'draining' | 'ended'
  readonly isFull: boolean
  /** Whether more is queued than half of what may be. */
  readonly isOverHalf: boolean
  /** Bytes that its backlog would still take; as few of them as fit, where messages are what is scarce. */
  readonly roomBytes: number
  readonly limits: { readonly bytes: number }
  /** Since when it holds publishers up, in milliseconds of the epoch; TopicPauses sets it. */
  blockingSinceMs: number | undefined
}
