/**
 * A decoded value as one line of JSON, for what JSON does not have: bytes become base64, typed arrays lists of
 * numbers, and a bigint (an integer beyond what JSON's readers keep exactly) becomes a string.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value ?? null, replaceForeign)
}

function replaceForeign(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  // A Buffer has a JSON form of its own, which `value` is by now: look at the thing itself.
  const original = (this as Record<string, unknown>)[key]
  if (Buffer.isBuffer(original)) return original.toString('base64')
  if (ArrayBuffer.isView(original)) return Array.from(original as unknown as Iterable<number | bigint>)
  return value
}
