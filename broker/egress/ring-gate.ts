import type { Lane } from './lane.js'

/** A frame that carries the payload itself, in memory that is never written again. */
export interface InlineForm {
  readonly bytes: Buffer
  readonly length: number
}

/**
 * How a frame whose payload lies in a ring may leave: as it is, the lease counted; in another form; not now, in which
 * case the lane is unblocked when that changes; or never, since it is too large for this client.
 */
export type Passage = 'by ring' | 'wait' | 'never' | InlineForm

/** What an outbox asks about frames with RING: the rings are kept elsewhere. */
export interface RingGate {
  /** Decides about a frame that may leave now. Only lanes with `waitsForRing` are told to wait. */
  present(lane: Lane, bytes: Buffer, start: number): Passage
  /** A copy of the frame is queued; returns the bytes of its payload. */
  queued(bytes: Buffer, start: number): number
  /** That copy has left its queue, sent or not; returns the same. */
  unqueued(bytes: Buffer, start: number): number
}
