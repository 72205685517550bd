/** What has happened with rings since the broker started. */
export class RingCounts {
  /** Payloads committed by publishers. */
  committed = 0
  /** Deliveries that clients read from the ring. */
  delivered = 0
  /** Deliveries of ring payloads that went by socket. */
  inlined = 0
  /** Payloads copied to the heap, since they held up their ring. */
  copiedOut = 0
  /** Segments given up because a client held on to a record. */
  abandoned = 0
  /** Segments that clients could not map. */
  declined = 0
}
