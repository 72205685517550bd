/** A measurement cannot be made here, for this reason; nothing is wrong. */
export class NothingToMeasure extends Error {
  override readonly name = 'NothingToMeasure'
}
