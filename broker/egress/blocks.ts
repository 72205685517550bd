/** What queues are made of once they grow: what one write takes. */
export const BLOCK_BYTES = 64 * 1024

/** Blocks that are kept for the next queue: 8 MiB, one full backlog. More are left to the collector. */
const KEPT_MAX = 128

/**
 * Blocks that queues have used up. A busy queue fills and empties thousands of them a second; to make each anew
 * would cost more than to fill it, in page faults and collections.
 */
const kept: Buffer[] = []

export function takeBlock(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
}

/** Gives a block back to which nothing refers any longer. */
export function giveBlock(block: Buffer): void {
  if (block.length === BLOCK_BYTES && kept.length < KEPT_MAX) kept.push(block)
}
