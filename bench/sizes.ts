const KIB = 1024
export const MIB = 1024 * KIB

/** A number of bytes as the names of scenarios have it: 16B, 64K, 1M. */
export function sizeName(bytes: number): string {
  if (bytes >= MIB) return `${bytes / MIB}M`
  return bytes >= KIB ? `${bytes / KIB}K` : `${bytes}B`
}
