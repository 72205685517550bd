import test from 'ava'
import { Histogram } from '../../bench/histogram.js'
import { type Figure, figuresOf, type StoredResults } from '../../bench/plots/index.js'
import { ROUNDS, sampleResults } from './sample-results.js'

type LineFigure = Extract<Figure, { kind: 'lines' }>

const results = sampleResults()

function drawn(from: StoredResults, name: string) {
  const figure = figuresOf(from).find((each) => each.name === name)
  if (figure === undefined || 'missing' in figure) throw new Error(`${name}: ${figure?.missing}`)
  return figure
}

const lines = (from: StoredResults, name: string) => drawn(from, name) as LineFigure

function missing(from: StoredResults, name: string): string | undefined {
  const figure = figuresOf(from).find((each) => each.name === name)!
  return 'missing' in figure ? figure.missing : undefined
}

function without(prefix: string): StoredResults {
  return { ...results, results: results.results.filter(({ scenario }) => !scenario.startsWith(prefix)) }
}

/** With some of its scenarios changed. */
function changed(
  prefix: string,
  change: (scenario: StoredResults['results'][number]) => object,
): StoredResults {
  return {
    ...results,
    results: results.results.map((each) =>
      each.scenario.startsWith(prefix) ? { ...each, ...change(each) } : each,
    ),
  }
}

const spreadOf = (scenario: string, metric: string, system: string) =>
  results.results
    .find((each) => each.scenario === scenario)!
    .metrics.find((each) => each.metric === metric)!
    .systems.find(({ peer }) => peer === system)!.spread

const systemsOf = ({ series }: LineFigure) => series.map(({ system }) => system)

const placesOf = ({ series }: LineFigure) => series.map(({ points }) => points.map(({ x }) => x))

const KIB = 1024
const SIZES = [16, 128, KIB, 64 * KIB, 1024 * KIB, 16 * 1024 * KIB]

test('all that the docs show is drawn of a run of everything', (t) => {
  t.deepEqual(
    figuresOf(results).map((figure) => ('missing' in figure ? figure : figure.name)),
    [
      'throughput-by-size',
      'latency-by-size',
      'latency-by-size-p99',
      'latency-by-size-filled-and-read',
      'fan-out',
      'overtaking',
      'latency-distribution-ping-pong',
      'latency-distribution-request',
    ],
  )
})

test('throughput by size has a line for each system, through the sizes in their order', (t) => {
  const figure = lines(results, 'throughput-by-size')
  t.deepEqual(systemsOf(figure), ['ringbus', 'nats', 'redis', 'mosquitto', 'zeromq'])
  for (const places of placesOf(figure)) t.deepEqual(places, SIZES)
  const nats = figure.series[1]!
  t.deepEqual(nats.points[2]!.y, spreadOf('sizes', '1 KiB', 'nats'))
  t.deepEqual(nats.line[2], [KIB, spreadOf('sizes', '1 KiB', 'nats').median])
})

test('throughput in MiB/s is drawn as messages a second', (t) => {
  const systems = [{ peer: 'nats', spread: { median: 100, min: 50, max: 200 } }]
  const inMebibytes = changed('sizes', () => ({
    metrics: ['64K', '1M'].map((size) => ({ metric: `${size} delivered`, unit: 'MiB/s', systems })),
  }))
  const [nats] = lines(inMebibytes, 'throughput-by-size').series
  t.deepEqual(nats!.points, [
    { x: 64 * KIB, y: { median: 1600, min: 800, max: 3200 } },
    { x: 1024 * KIB, y: { median: 100, min: 50, max: 200 } },
  ])
})

test('latency by size takes the metric that each figure names, whatever the order of the scenarios', (t) => {
  for (const [name, metric] of [
    ['latency-by-size', 'p50'],
    ['latency-by-size-p99', 'p99'],
    ['latency-by-size-filled-and-read', 'filled and read p50'],
  ] as const) {
    const figure = lines(results, name)
    t.deepEqual(systemsOf(figure).slice(0, 4), ['ringbus-loan', 'ringbus-copies', 'ringbus-inline', 'nats'])
    for (const places of placesOf(figure)) t.deepEqual(places, SIZES)
    t.deepEqual(figure.series[3]!.points.at(-1)!.y, spreadOf('latency-16M', metric, 'nats'), name)
  }
})

test('fan-out counts subscribers, and leaves out what has payloads of another size', (t) => {
  const figure = lines(results, 'fan-out')
  t.deepEqual(systemsOf(figure), ['ringbus', 'nats'])
  t.deepEqual(placesOf(figure), [
    [1, 2, 4, 8],
    [1, 2, 4, 8],
  ])
  t.is(figure.y.min, 0)
})

test('overtaking has p50, p99 and the largest of each system, in microseconds', (t) => {
  const figure = drawn(results, 'overtaking') as Extract<Figure, { kind: 'rows' }>
  t.deepEqual(
    figure.rows.map(({ system }) => system),
    ['ringbus', 'nats', 'redis', 'mosquitto', 'zeromq'],
  )
  t.deepEqual(
    figure.rows[0]!.values.map(({ median }) => median),
    ['p50', 'p99', 'max'].map(
      (mark) => spreadOf('overtaking-20us', `to its handler, ${mark}`, 'ringbus').median * 1000,
    ),
  )
})

test('a distribution is that of all rounds as one, with each round as its spread', (t) => {
  const { series } = lines(results, 'latency-distribution-ping-pong')
  const encoded = results.results
    .find(({ scenario }) => scenario === 'ping-pong')!
    .histograms['ringbus']!.map((spans) => Object.values(spans)[0]!)
  t.is(encoded.length, ROUNDS)
  const { line, points } = series.find(({ system }) => system === 'ringbus')!
  const all = Histogram.merged(encoded)
  const p99Us = encoded.map((each) => Histogram.merged([each]).percentileNs(0.99) / 1000)
  t.deepEqual(points.find(({ x }) => Math.abs(x - 2) < 1e-9)!.y, {
    median: all.percentileNs(0.99) / 1000,
    min: Math.min(...p99Us),
    max: Math.max(...p99Us),
  })
  t.deepEqual(
    line.map(([, us]) => us),
    line.map(([, us]) => us).toSorted((left, right) => left - right),
  )
  t.true(line.length > 50)
})

test('percentiles that a series has too few times for are not drawn', (t) => {
  const few = { 'publish to handler': Histogram.of(Array.from({ length: 100 }, (_, i) => 1000 + i)).encode() }
  const short = changed('ping-pong', () => ({ histograms: { ringbus: [few] } }))
  const [ringbus] = lines(short, 'latency-distribution-ping-pong').series
  t.deepEqual(
    ringbus!.points.map(({ x }) => Number(x.toFixed(3))),
    [0.301, 1, 2],
  )
  t.is(ringbus!.line.at(-1)![0], 2)
})

test('what was not run, or was skipped, or is void, is named instead of drawn', (t) => {
  t.is(missing(without('sizes'), 'throughput-by-size'), '`sizes` was not run')
  t.is(missing(without('latency-'), 'latency-by-size'), '`latency-16B … latency-16M` was not run')
  t.is(missing(without('fan-out-'), 'fan-out'), '`fan-out-1 … fan-out-8` was not run')
  t.is(missing(without('overtaking'), 'overtaking'), '`overtaking-20us` was not run')
  t.is(missing(without('request'), 'latency-distribution-request'), '`request` was not run')
  const skipped = changed('request', () => ({ metrics: [], histograms: {}, skipped: 'no sockets' }))
  t.is(missing(skipped, 'latency-distribution-request'), '`request` was skipped: no sockets')
  const isVoid = changed('overtaking', ({ metrics }) => ({
    metrics: metrics.map((metric) => ({ ...metric, systems: [] })),
  }))
  t.is(missing(isVoid, 'overtaking'), 'no sample of `overtaking-20us` counts')
  const unrecorded = changed('ping-pong', () => ({ histograms: {} }))
  t.is(
    missing(unrecorded, 'latency-distribution-ping-pong'),
    '`ping-pong`: the results hold too little to draw',
  )
  const oneSize = { ...results, results: results.results.filter(({ scenario }) => scenario === 'latency-1K') }
  t.is(
    missing(oneSize, 'latency-by-size'),
    '`latency-16B … latency-16M`: the results hold too little to draw',
  )
})

test('a system without a figure is left out, and so is a figure that no logarithm has a place for', (t) => {
  const lost = changed('fan-out-8', ({ metrics: [delivered] }) => ({
    metrics: [{ ...delivered, systems: delivered!.systems.filter(({ peer }) => peer !== 'nats') }],
  }))
  t.deepEqual(placesOf(lines(lost, 'fan-out')), [
    [1, 2, 4, 8],
    [1, 2, 4],
  ])
  const zero = changed('latency-16B', ({ metrics }) => ({
    metrics: metrics.map((metric) => ({
      ...metric,
      systems: [{ peer: 'nats', spread: { median: 1, min: 0, max: 2 } }],
    })),
  }))
  t.true(lines(zero, 'latency-by-size').series.every(({ points }) => points[0]!.x === 128))
})

test('the footer names rounds, void samples, the machine, and the versions of what is drawn', (t) => {
  const { footer } = lines(results, 'fan-out')
  t.deepEqual(footer, [
    `Median of ${ROUNDS} rounds; whiskers from the smallest round to the largest`,
    'Some Processor <3 GHz> & more, 2 processors, kernel 6.1.0, Node v20.20.2',
    'ringbus 0.1.0, NATS 2.9.10',
  ])
  const isVoid = changed('fan-out-8', () => ({
    voids: ['nats, round 2: lost'],
    samples: { ringbus: [[1], [1], [1]], nats: [[1], null, [1]] },
  }))
  t.is(
    lines(isVoid, 'fan-out').footer[0],
    'Median of 2 to 3 rounds; whiskers from the smallest round to the largest; left out as void: 1 sample',
  )
})

test('systems that this version does not know are drawn after the others', (t) => {
  const more = changed('fan-out-', ({ metrics: [delivered] }) => ({
    metrics: [
      {
        ...delivered,
        systems: [{ peer: 'floor-pipe', spread: delivered!.systems[0]!.spread }, ...delivered!.systems],
      },
    ],
  }))
  t.deepEqual(systemsOf(lines(more, 'fan-out')), ['ringbus', 'nats', 'floor-pipe'])
})
