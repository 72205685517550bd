const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** In powers of a thousand, as the names of the units have it. */
export function formatBytes(bytes: number): string {
  let unit = 0
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1000
    unit += 1
  }
  return `${unit === 0 ? Math.round(bytes) : bytes.toPrecision(3)} ${UNITS[unit]}`
}

export function formatMilliseconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '–' : `${milliseconds.toPrecision(3)} ms`
}
