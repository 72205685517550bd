import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { SaxesParser } from 'saxes'
import {
  type Figure,
  figuresOf,
  readResults,
  render,
  type StoredResults,
  writePlots,
} from '../../bench/plots/index.js'
import { PROJECT_ROOT } from '../project-files.js'
import { sampleResults } from './sample-results.js'

const results = sampleResults()
const figures = figuresOf(results).filter((each): each is Figure => !('missing' in each))

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ringbus-plots-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

function write(folder: string, name: string, content: unknown): string {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** What an SVG says, and of which elements it is; throws where it is not well-formed. */
function parse(svg: string): { texts: string[]; elements: Set<string> } {
  const texts: string[] = []
  const elements = new Set<string>()
  const parser = new SaxesParser()
  parser.on('opentag', ({ name }) => elements.add(name))
  parser.on('text', (text) => {
    if (text.trim() !== '') texts.push(text)
  })
  parser.on('error', (error) => {
    throw error
  })
  parser.write(svg).close()
  return { texts, elements }
}

for (const figure of figures) {
  test(`${figure.name}.svg is well-formed, and has all its words as text`, (t) => {
    const { texts, elements } = parse(render(figure))
    const labels = {
      ringbus: 'ringbus',
      nats: 'NATS',
      redis: 'Redis',
      mosquitto: 'Mosquitto',
      zeromq: 'ZeroMQ',
    }
    const systems = (figure.kind === 'lines' ? figure.series : figure.rows).map(
      ({ system }) => (labels as Record<string, string>)[system] ?? system,
    )
    const axes = figure.kind === 'lines' ? [figure.x, figure.y] : [figure.x]
    const words = [
      figure.title,
      figure.subtitle,
      ...figure.footer,
      ...systems,
      ...axes.flatMap(({ title, ticks }) => [title, ...ticks.map(({ label }) => label)]),
    ]
    t.deepEqual(
      words.filter((word) => !texts.includes(word)),
      [],
    )
    t.deepEqual(
      ['script', 'animate', 'image', 'foreignObject'].filter((name) => elements.has(name)),
      [],
    )
  })

  test(`${figure.name}.svg has the same bytes each time, and is white`, (t) => {
    const svg = render(figure)
    t.true(render(figure) === svg)
    t.regex(svg, /<rect width="(\d+)" height="(\d+)" x="0" y="0" fill="#ffffff">/)
  })
}

test('there is a line for each system of a figure, that of ringbus the widest and above the others', (t) => {
  const figure = figures.find(({ name }) => name === 'throughput-by-size')!
  const lines = [...render(figure).matchAll(/<path d="M[^"]*"[^>]*stroke-linejoin="round"[^>]*>/g)].map(
    ([tag]) => ({
      colour: /stroke="(#\w+)"/.exec(tag)![1],
      width: Number(/stroke-width="([\d.]+)"/.exec(tag)![1]),
    }),
  )
  t.is(lines.length, 5)
  t.is(new Set(lines.map(({ colour }) => colour)).size, 5)
  t.is(lines.at(-1)!.width, Math.max(...lines.map(({ width }) => width)))
  t.true(lines.slice(0, -1).every(({ width }) => width < lines.at(-1)!.width))
})

test('plots are files of a folder, and what cannot be drawn is named', (t) => {
  const folder = join(temporaryFolder(t), 'docs', 'plots')
  const some = { ...results, results: results.results.filter(({ scenario }) => scenario !== 'sizes') }
  const lines = writePlots(some, folder)
  t.deepEqual(
    readdirSync(folder).sort(),
    figures
      .map(({ name }) => `${name}.svg`)
      .filter((name) => name !== 'throughput-by-size.svg')
      .sort(),
  )
  t.is(lines[0], `${join(folder, 'throughput-by-size.svg')}: skipped, \`sizes\` was not run`)
  t.is(lines[1], `${join(folder, 'latency-by-size.svg')}: written`)
})

test('results that were written as JSON are drawn as those of the run', (t) => {
  const path = write(temporaryFolder(t), 'result.json', { settings: {}, ...results })
  const bytes = (from: StoredResults) => JSON.stringify(figuresOf(from).map(nameAndBytes))
  t.true(bytes(readResults([path])) === bytes(results))
})

const nameAndBytes = (figure: ReturnType<typeof figuresOf>[number]) =>
  'missing' in figure ? figure : [figure.name, render(figure)]

test('a metric that had no finite value does not keep the others from being drawn', (t) => {
  const spread = { median: Number.NaN, min: 1, max: Number.POSITIVE_INFINITY }
  const endless = { metric: '16 B', unit: 'messages/s', systems: [{ peer: 'nats', spread }] }
  const [sizes, ...others] = results.results
  const strange = {
    ...results,
    results: [{ ...sizes, metrics: [endless, ...sizes!.metrics.slice(1)] }, ...others],
  }
  const path = write(temporaryFolder(t), 'result.json', strange)
  const [figure] = figuresOf(readResults([path])) as [Extract<Figure, { kind: 'lines' }>]
  t.deepEqual([...new Set(figure.series.map(({ points }) => points[0]!.x))], [128])
})

function refused(t: ExecutionContext, name: string, content: unknown): string {
  const path = write(temporaryFolder(t), name, content)
  return t.throws(() => readResults([path]))!.message.replace(path, name)
}

test('damaged or foreign JSON is refused, and says where', (t) => {
  t.regex(refused(t, 'cut.json', JSON.stringify(results).slice(0, -10)), /^cut\.json is no JSON: /)
  t.is(
    refused(t, 'package.json', { name: 'ringbus' }),
    'package.json holds no results of this bench: machine: Invalid input: expected object, received undefined',
  )
  t.regex(refused(t, 'list.json', []), /^list\.json holds no results of this bench: all of it: /)
  const broken: StoredResults = structuredClone(results)
  const place = broken.results.findIndex(({ scenario }) => scenario === 'ping-pong')
  ;(broken.results[place]!.histograms['nats'] as { [span: string]: string }[])[1]!['ping-pong'] = 'HISTFAAA'
  t.is(
    refused(t, 'histogram.json', broken),
    `histogram.json holds no results of this bench: results.${place}.histograms.nats.1.ping-pong: Expected an HDR histogram in base64`,
  )
})

test('several files are drawn as one run, if they are of one machine and have different scenarios', (t) => {
  const folder = temporaryFolder(t)
  const [some, others] = [results.results.slice(0, 3), results.results.slice(3)]
  const first = write(folder, 'first.json', { ...results, versions: { nats: '2.9.10' }, results: some })
  const second = write(folder, 'second.json', { ...results, results: others })
  const both = readResults([first, second])
  t.deepEqual(both.versions, results.versions)
  t.is(figuresOf(both).filter((figure) => 'missing' in figure).length, 0)
  t.throws(() => readResults([first, first]), { message: `${first} and ${first} both have \`sizes\`` })
  const elsewhere = { ...results, machine: { ...results.machine, processors: 64 }, results: others }
  t.throws(() => readResults([first, write(folder, 'elsewhere.json', elsewhere)]), {
    message: /^The machine of .*elsewhere\.json is .*64.*, that of the first file .*/,
  })
  const newer = { ...results, versions: { nats: '2.10.0' }, results: others }
  t.throws(() => readResults([first, write(folder, 'newer.json', newer)]), {
    message: /^The version of nats in .*newer\.json is "2\.10\.0", that of the first file "2\.9\.10"$/,
  })
})

interface Ended {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

function bench(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(PROJECT_ROOT, 'dist/bench/main.js'), ...args],
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : error.code, stdout, stderr })
      },
    )
  })
}

test('the bench draws earlier results without measuring', async (t) => {
  const folder = temporaryFolder(t)
  const path = write(folder, 'result.json', results)
  const { code, stdout, stderr } = await bench('--from', path, '--plots', join(folder, 'plots'))
  t.deepEqual([code, stderr], [0, ''])
  t.is(stdout.trim().split('\n').length, figures.length)
  const svg = readFileSync(join(folder, 'plots', 'overtaking.svg'), 'utf8')
  t.true(svg === render(figures.find(({ name }) => name === 'overtaking')!))
})

test('the bench says in a line what is wrong with earlier results', async (t) => {
  const folder = temporaryFolder(t)
  const path = write(folder, 'cut.json', '{')
  const damaged = await bench('--from', path, '--plots', folder)
  t.is(damaged.code, 1)
  t.regex(damaged.stderr, /^.*cut\.json is no JSON: .*\n$/)
  const absent = await bench('--from', join(folder, 'absent.json'), '--plots', folder)
  t.is(absent.code, 1)
  t.regex(absent.stderr, /^ENOENT: .*absent\.json'\n$/)
  const nowhere = await bench('--from', path)
  t.is(nowhere.code, 1)
  t.regex(nowhere.stderr, /`--from` takes `--plots` too/)
})
