import { Flag, frameLayout, Offset } from '../../protocol/index.js'

/** Whether nobody is to handle this frame any more. [WIRE-3.2] */
export function hasExpired(bytes: Buffer, start: number): boolean {
  if ((bytes[start + Offset.FLAGS]! & Flag.EXPIRY) === 0) return false
  const { expiryNs } = frameLayout(bytes, start)
  return expiryNs !== 0 && expiryNs <= Number(process.hrtime.bigint())
}
