/** The limits of rings; the configuration explains each. */
export interface RingLimits {
  readonly rings: boolean
  readonly ringThresholdBytes: number
  readonly ringBytes: number
  readonly ringBytesMax: number
  readonly ringSegmentsMax: number
  readonly ringRecordsMax: number
  readonly ringUserBytesMax: number
  readonly ringTotalBytesMax: number
  readonly ringCopyBytesMax: number
  readonly ringHeldBytesMax: number
  readonly attachTimeoutMs: number
  readonly leaseTimeoutMs: number
  readonly ringIdleMs: number
  readonly payloadBytesMax: number
}
