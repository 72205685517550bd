import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { render } from './chart.js'
import { latencyDistributions } from './distribution-figures.js'
import type { Figure, Missing } from './figure.js'
import { latencyBySize } from './latency-figures.js'
import { overtaking } from './overtaking-figure.js'
import type { StoredResults } from './stored-results.js'
import { fanOut, throughputBySize } from './throughput-figures.js'

export { render } from './chart.js'
export type { Figure, Missing } from './figure.js'
export { readResults, type StoredResults } from './stored-results.js'

/** All that can be drawn, and of the rest, why not. */
export function figuresOf(results: StoredResults): (Figure | Missing)[] {
  return [
    throughputBySize(results),
    ...latencyBySize(results),
    fanOut(results),
    overtaking(results),
    ...latencyDistributions(results),
  ]
}

/** Writes an SVG for each figure into the folder, and returns a line on each, written or not. */
export function writePlots(results: StoredResults, folder: string): string[] {
  mkdirSync(folder, { recursive: true })
  return figuresOf(results).map((figure) => {
    const path = join(folder, `${figure.name}.svg`)
    if ('missing' in figure) return `${path}: skipped, ${figure.missing}`
    writeFileSync(path, render(figure))
    return `${path}: written`
  })
}
