/** A measurement that means nothing: what arrived is not what was sent, or has not arrived. */
export class StreamFault extends Error {
  override readonly name = 'StreamFault'
}
