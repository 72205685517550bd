import { MIB } from '../sizes.js'
import { doublingAxis, formatBytes, formatCount, linearAxis, logAxis } from './axis.js'
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
import type { StoredMetric, StoredResults, StoredScenario } from './stored-results.js'

/** Of the scenario of sizes, which has a metric for each. */
export function throughputBySize(results: StoredResults): Figure | Missing {
  const name = 'throughput-by-size'
  const scenarios = [...scenariosAfter(results, 'sizes').values()]
  const series = seriesThrough(scenarios.flatMap(({ metrics }) => metrics.flatMap(throughput)))
  const sizes = series.flatMap(({ points }) => points.map(({ x }) => x))
  if (new Set(sizes).size < 2) return { name, missing: whyMissing(results, 'sizes') }
  return {
    kind: 'lines',
    name,
    title: 'Throughput by payload size',
    subtitle: 'One publisher, one subscriber; more is better',
    x: doublingAxis('Payload size (log scale)', sizes, SIZE_TICKS, formatBytes),
    y: logAxis('Messages per second (log scale)', valuesOf(series), formatCount),
    series,
    footer: footerOf(results, scenarios, series),
  }
}

/** One, of what is named after a size: `1 KiB` or `1K delivered`. Both units are drawn as messages a second. */
function throughput(metric: StoredMetric): Placed[] {
  const x = bytesOf(metric.metric.replace(/ delivered$/, ''))
  if (x === undefined) return []
  if (metric.unit === 'messages/s') return [{ x, metric }]
  return metric.unit === 'MiB/s' ? [{ x, metric, factor: MIB / x }] : []
}

export function fanOut(results: StoredResults): Figure | Missing {
  const name = 'fan-out'
  const scenarios: StoredScenario[] = []
  const placed: Placed[] = []
  for (const [subscribers, scenario] of scenariosAfter(results, 'fan-out-')) {
    // Others of that name have payloads of another size.
    if (!/^\d+$/.test(subscribers)) continue
    scenarios.push(scenario)
    placed.push({ x: Number(subscribers), metric: metricOf(scenario, 'delivered') })
  }
  const series = seriesThrough(placed)
  const counts = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))]
  if (counts.length < 2) return { name, missing: whyMissing(results, 'fan-out-', 'fan-out-1 … fan-out-8') }
  return {
    kind: 'lines',
    name,
    title: 'Fan-out: deliveries to all subscribers together',
    subtitle: 'One publisher, one topic, payloads of 128 B; more is better',
    x: doublingAxis('Subscriber processes', counts, counts, String),
    y: linearAxis('Deliveries per second', valuesOf(series), formatCount),
    series,
    footer: footerOf(results, scenarios, series),
  }
}
