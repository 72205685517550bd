import { formatUs, logAxis } from './axis.js'
import type { Figure, Missing, Row } from './figure.js'
import { footerOf } from './footer.js'
import { metricOf, whyMissing } from './scenarios.js'
import type { StoredResults } from './stored-results.js'
import { stylesOf } from './systems.js'

const SCENARIO = 'overtaking-20us'

const MARKS = ['p50', 'p99', 'max']

export function overtaking(results: StoredResults): Figure | Missing {
  const name = 'overtaking'
  const scenario = results.results.find((each) => each.scenario === SCENARIO)
  const metrics = MARKS.map((mark) => metricOf(scenario, `to its handler, ${mark}`))
  const systems = metrics[0]?.systems.map(({ peer }) => peer) ?? []
  const rows = [...stylesOf(systems).keys()].flatMap((system): Row[] => {
    const values = metrics.flatMap((metric) => {
      const spread = metric?.systems.find(({ peer }) => peer === system)?.spread
      return spread === undefined ? [] : [microseconds(spread)]
    })
    const isWhole =
      values.length === MARKS.length && values.every(({ min, max }) => min > 0 && max < Infinity)
    return isWhole ? [{ system, values }] : []
  })
  if (scenario === undefined || rows.length === 0) return { name, missing: whyMissing(results, SCENARIO) }
  const values = rows.flatMap((row) => row.values.flatMap(({ min, max }) => [min, max]))
  return {
    kind: 'rows',
    name,
    title: 'Overtaking: urgent messages into a backlog',
    subtitle:
      '128 B, handlers of 20 µs; ringbus gives them priority 31, the others know none; less is better',
    x: logAxis('From the call of publish to the handler of the urgent message (log scale)', values, formatUs),
    marks: MARKS,
    rows,
    format: formatUs,
    footer: footerOf(results, [scenario], rows),
  }
}

function microseconds({ median, min, max }: { median: number; min: number; max: number }) {
  return { median: median * 1000, min: min * 1000, max: max * 1000 }
}
