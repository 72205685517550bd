// Checks the model of the ring protocol with spin: each configuration holds in all of its states and reaches what it
// is about, and each mutation violates the invariant that it is meant for. shmring/model/README.md says more.
//
//   node scripts/check-model.mjs                    everything that shmring/model/checks.json names, two at a time
//   node scripts/check-model.mjs RING RELEASE_TWICE these
//   node scripts/check-model.mjs --trail NAME       this one, with the steps that lead to what it violates
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const model = join(root, 'shmring/model')
const { configurations, mutations } = JSON.parse(readFileSync(join(model, 'checks.json'), 'utf8'))

/** A configuration searched to its end needs up to 2.4 GB; two at a time stay below 4 GB. */
const JOBS = 2

/** Spin gives up, and the check fails, beyond this. */
const MEMORY_MB_MAX = 3500

/** Steps of one run: far more than any has, and pan says so if not. */
const DEPTH_MAX = 2000

/** The program of a mutation ends so early that its compilation takes longest. */
const OPTIMISATION = { whole: '-O2', mutated: '-O0' }

/** Everything that is built lies here, and goes at the end, with what still runs there. */
const temporary = mkdtempSync(join(tmpdir(), 'ringbus-model-'))
const running = new Set()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(temporary, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

function run(command, args, directory) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      running.delete(child)
      resolve({ output, failed: status !== 0, status: status ?? signal })
    })
  })
}

async function runOrThrow(command, args, directory) {
  const { output, failed, status } = await run(command, args, directory)
  if (failed) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`)
  return output
}

/** Searches the model, built with these definitions. */
async function search(definitions, optimisation, directory) {
  const flags = definitions.map((name) => `-D${name}`)
  await runOrThrow('spin', ['-a', ...flags, join(model, 'ring.pml')], directory)
  const options = ['-w', optimisation, '-DSAFETY', `-DMEMLIM=${MEMORY_MB_MAX}`, '-o', 'pan', 'pan.c']
  await runOrThrow('cc', options, directory)
  const { output } = await run('./pan', [`-m${DEPTH_MAX}`, '-w25', '-n'], directory)
  const names = (kind) => [...output.matchAll(new RegExp(`^${kind}: (\\w+)$`, 'gm'))].map((match) => match[1])
  return {
    output,
    reached: new Set(names('reached')),
    violated: names('violated'),
    errors: Number(/errors: (\d+)$/m.exec(output)?.[1] ?? Number.NaN),
    isWhole: !/Search not completed|search depth too small|out of memory|hash-?compact|BITSTATE/i.test(
      output,
    ),
    states: Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? Number.NaN),
    megabytes: Math.round(Number(/([\d.]+)\s+total actual memory usage/.exec(output)?.[1] ?? Number.NaN)),
  }
}

/** The steps of the run that was found, as the processes of the model tell them. */
async function trail(directory) {
  if (!existsSync(join(directory, 'ring.pml.trail'))) return []
  const { output } = await run('./pan', ['-r', 'ring.pml.trail'], directory)
  return output.split('\n').filter((line) => /^\s*(publisher|subscriber|broker|want|the post) /.test(line))
}

async function checkWhole(name, directory) {
  const { output, errors, violated, isWhole, reached, states, megabytes } = await search(
    [name],
    OPTIMISATION.whole,
    directory,
  )
  const steps = await trail(directory)
  const missed = configurations[name].reaches.filter((mark) => !reached.has(mark))
  const found = `${states} states, all of them, ${megabytes} MB`
  if (violated.length > 0) return { ok: false, text: `violates ${violated.join(', ')}`, steps }
  if (errors !== 0 || !isWhole) return { ok: false, text: `was not searched to its end:\n${output}`, steps }
  if (missed.length > 0) return { ok: false, text: `never reaches ${missed.join(', ')} (${found})`, steps }
  return { ok: true, text: `holds: ${found}`, steps }
}

async function checkMutation({ name, configuration, violates }, directory) {
  const { output, violated } = await search([configuration, name], OPTIMISATION.mutated, directory)
  const steps = await trail(directory)
  if (violated.length === 0)
    return { ok: false, text: `violates nothing, not even ${violates}:\n${output}`, steps }
  const ok = violated.length === 1 && violated[0] === violates
  const found = `violates ${violated.join(', ')} after ${steps.length} steps`
  return { ok, text: ok ? found : `${found}, and not ${violates}`, steps }
}

async function check(name) {
  const mutation = mutations.find((candidate) => candidate.name === name)
  if (mutation === undefined && configurations[name] === undefined)
    throw new Error(`There is no check ${name}`)
  const directory = join(temporary, name)
  mkdirSync(directory)
  return mutation ? checkMutation(mutation, directory) : checkWhole(name, directory)
}

async function checkAll(names, withTrail) {
  const waiting = [...names]
  let failures = 0
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { ok, text, steps } = await check(name)
      if (!ok) failures += 1
      console.log(`${ok ? 'ok' : 'FAILED'} ${name} ${text}`)
      if (withTrail || !ok) for (const step of steps) console.log(`    ${step.trim()}`)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, worker))
  return failures
}

const asked = process.argv.slice(2).filter((argument) => argument !== '--trail')
const all = [...Object.keys(configurations), ...mutations.map(({ name }) => name)]
const failures = await checkAll(asked.length > 0 ? asked : all, process.argv.includes('--trail'))
process.exitCode = failures === 0 ? 0 : 1
