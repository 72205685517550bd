/** The seed of every run: all systems get the same sequence. */
const SEED = 0x2545f491

/** Numbers below `bound`, at random but the same each time (Marsaglia's xorshift). */
export function randomIndexes(count: number, bound: number): Uint32Array {
  let state = SEED
  return new Uint32Array(count).map(() => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  })
}
