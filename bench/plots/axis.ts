import { MIB } from '../sizes.js'

export interface Tick {
  readonly at: number
  readonly label: string
}

/** From `min` to `max`, with a line of the grid at each tick. */
export interface Axis {
  readonly title: string
  readonly scale: 'log' | 'linear'
  readonly min: number
  readonly max: number
  readonly ticks: readonly Tick[]
}

type Format = (value: number) => string

/** Where a value lies, from 0 at the beginning to 1 at the end. */
export function shareOf({ scale, min, max }: Axis, value: number): number {
  const place = scale === 'log' ? Math.log : (plain: number) => plain
  return (place(value) - place(min)) / (place(max) - place(min))
}

/** With more decades than that, there are ticks at powers of ten alone. */
const FINE_DECADES_MAX = 2.5

/** Ends at ticks: 1, 2, 5, 10, … where few decades are spanned, otherwise powers of ten. */
export function logAxis(title: string, values: readonly number[], format: Format): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const isFine = Math.log10(high / low) <= FINE_DECADES_MAX
  const candidates: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    candidates.push(...(isFine ? [1, 2, 5] : [1]).map((step) => roundedTo(power, step)))
  }
  const min = candidates.findLast((at) => at <= low) ?? low
  const max = candidates.find((at) => at >= high && at > min) ?? min * 10
  const ticks = candidates.filter((at) => at >= min && at <= max)
  return { title, scale: 'log', min, max, ticks: ticks.map((at) => ({ at, label: format(at) })) }
}

/** From zero, in round steps. */
export function linearAxis(title: string, values: readonly number[], format: Format): Axis {
  const high = Math.max(...values)
  const power = Math.floor(Math.log10(high / 5))
  const step = [1, 2, 5, 10].map((each) => roundedTo(power, each)).find((each) => high / each <= 6)!
  const count = Math.ceil(high / step)
  const ticks = Array.from({ length: count + 1 }, (_, index) => ({
    at: index * step,
    label: format(index * step),
  }))
  return { title, scale: 'linear', min: 0, max: count * step, ticks }
}

/** Of a few values that are far apart: a tick for each of those named, of a scale in which doubling is a step. */
export function doublingAxis(
  title: string,
  values: readonly number[],
  ticks: readonly number[],
  format: Format,
): Axis {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  const within = ticks.filter((at) => at >= min && at <= max)
  return { title, scale: 'log', min, max, ticks: within.map((at) => ({ at, label: format(at) })) }
}

/** 5 * 10 ** -1 and the like, without digits that only binary fractions have. */
function roundedTo(power: number, step: number): number {
  return Number(`${step}e${power}`)
}

export function formatCount(value: number): string {
  if (value >= 1e6) return `${digits(value / 1e6)} M`
  return value >= 1e3 ? `${digits(value / 1e3)} k` : digits(value)
}

export function formatUs(valueUs: number): string {
  if (valueUs >= 1e6) return `${digits(valueUs / 1e6)} s`
  return valueUs >= 1e3 ? `${digits(valueUs / 1e3)} ms` : `${digits(valueUs)} µs`
}

export function formatBytes(bytes: number): string {
  if (bytes >= MIB) return `${digits(bytes / MIB)} MiB`
  return bytes >= 1024 ? `${digits(bytes / 1024)} KiB` : `${bytes} B`
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)))
}
