import { PRIORITY_LEVELS, RESERVE_BYTES } from './constants.js'

/*
 * A balance of bytes, and the levels that it permits: [CREDIT-2] [WIRE-2.8]
 *
 *   above 0                 all
 *   0 … −2,047              1 and above
 *   −2,048 … −4,095         2 and above
 *   …
 *   −61,440 … −63,487       31
 *   below                   none
 *
 * So what is bulk never uses up what something more urgent needs to get through.
 */

/** Bytes that may be sent of this priority; the message with which they are used up, or overdrawn, is the last. */
export function spendable(
  balanceBytes: number,
  priority: number,
  reserveBytes: number = RESERVE_BYTES,
): number {
  return balanceBytes + priority * reserveBytes
}

/** Whether a balance permits a message of this priority; `reserveBytes` is 0 where there is no reserve. */
export function permits(
  balanceBytes: number,
  priority: number,
  reserveBytes: number = RESERVE_BYTES,
): boolean {
  return spendable(balanceBytes, priority, reserveBytes) > 0
}

/** The priorities that a balance permits, as a mask. */
export function permittedLevels(balanceBytes: number, reserveBytes: number = RESERVE_BYTES): number {
  if (balanceBytes > 0) return ALL_LEVELS
  if (reserveBytes === 0) return 0
  const lowest = Math.floor(-balanceBytes / reserveBytes) + 1
  return lowest < PRIORITY_LEVELS ? ALL_LEVELS << lowest : 0
}

const ALL_LEVELS = -1
