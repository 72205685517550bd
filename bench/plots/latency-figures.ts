import { doublingAxis, formatBytes, formatUs, logAxis } from './axis.js'
import type { Figure, Missing } from './figure.js'
import { footerOf } from './footer.js'
import {
  bytesOf,
  metricOf,
  type Placed,
  scenariosAfter,
  seriesThrough,
  valuesOf,
  whyMissing,
} from './scenarios.js'
import { SIZE_TICKS } from './sizes-axis.js'
import type { StoredResults, StoredScenario } from './stored-results.js'

interface Drawn {
  readonly name: string
  readonly metric: string
  readonly title: string
  readonly span: string
}

const TRANSPORT = 'From the call of publish on a filled payload to the handler that has it; less is better'
const WHOLE =
  'From the need of memory, over filling all of a payload, to its handler, which has read all; less is better'

const DRAWN: readonly Drawn[] = [
  { name: 'latency-by-size', metric: 'p50', title: 'Latency by payload size: p50', span: TRANSPORT },
  { name: 'latency-by-size-p99', metric: 'p99', title: 'Latency by payload size: p99', span: TRANSPORT },
  {
    name: 'latency-by-size-filled-and-read',
    metric: 'filled and read p50',
    title: 'Latency by payload size, filled and read: p50',
    span: WHOLE,
  },
]

export function latencyBySize(results: StoredResults): (Figure | Missing)[] {
  return DRAWN.map((drawn) => draw(results, drawn))
}

function draw(results: StoredResults, { name, metric, title, span }: Drawn): Figure | Missing {
  const scenarios: StoredScenario[] = []
  const placed: Placed[] = []
  for (const [size, scenario] of scenariosAfter(results, 'latency-')) {
    const x = bytesOf(size)
    if (x === undefined) continue
    scenarios.push(scenario)
    placed.push({ x, metric: metricOf(scenario, metric) })
  }
  const series = seriesThrough(placed)
  const sizes = series.flatMap(({ points }) => points.map(({ x }) => x))
  if (new Set(sizes).size < 2) {
    return { name, missing: whyMissing(results, 'latency-', 'latency-16B … latency-16M') }
  }
  return {
    kind: 'lines',
    name,
    title,
    subtitle: span,
    x: doublingAxis('Payload size (log scale)', sizes, SIZE_TICKS, formatBytes),
    y: logAxis(`Latency, ${metric.slice(-3)} (log scale)`, valuesOf(series), formatUs),
    series,
    footer: footerOf(results, scenarios, series),
  }
}
