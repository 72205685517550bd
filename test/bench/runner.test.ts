import test from 'ava'
import { FloorProgram, ImpossibleHere } from '../../bench/floors/index.js'
import type { Peer } from '../../bench/peers/index.js'
import { formatRemarks } from '../../bench/report.js'
import { type RunOptions, runScenario } from '../../bench/runner.js'
import type { Floor, Scenario } from '../../bench/scenarios/index.js'

const RINGBUS: Peer = {
  name: 'ringbus',
  tuning: { windowMessages: 1, windowBytes: 1, heldBytes: 1, burstMessages: 1, reportMessages: 1 },
  presence: () => ({ version: '1' }),
  startServer: () => Promise.reject(new Error('nobody connects')),
  connect: () => Promise.reject(new Error('nobody connects')),
}

/** Gives one value after another; an error instead voids the round. */
function valuesInTurn(values: readonly (number | Error)[]): () => Promise<readonly number[]> {
  const left = [...values]
  return async () => {
    const value = left.shift()!
    if (value instanceof Error) throw value
    return [value]
  }
}

function scenarioOf(own: readonly number[], floors: readonly Floor[]): Scenario {
  const measure = valuesInTurn(own)
  return {
    name: 'trial',
    title: 'values that are known',
    metrics: [{ name: 'p50', unit: 'µs', better: 'lower' }],
    peers: ['ringbus'],
    floors,
    references: ['nats', 'floor-futex'],
    measure: () => measure(),
  }
}

function optionsFor(names: readonly Floor['name'][], turns: string[]): RunOptions {
  return {
    pairs: 3,
    durationMs: 1,
    warmupMs: 1,
    seriesCount: 1,
    seriesMs: 1,
    backlogCount: 1,
    pipelineCount: 1,
    stopMs: 1,
    profileFolder: undefined,
    floors: { names, program: new FloorProgram({ path: '/nowhere', version: '' }) },
    sampling: (_, { name }) => turns.push(name),
  }
}

test('a floor takes its turn in each round, and the ratio to it is of pairs', async (t) => {
  const turns: string[] = []
  const floor: Floor = { name: 'floor-futex', measure: valuesInTurn([10, 100, 1000]) }
  const scenario = scenarioOf([20, 300, 4000], [floor])
  const result = await runScenario(scenario, [RINGBUS], optionsFor(['floor-futex'], turns))
  t.deepEqual(turns, ['ringbus', 'floor-futex', 'floor-futex', 'ringbus', 'ringbus', 'floor-futex'])
  t.deepEqual(result.metrics[0]!.systems, [
    {
      peer: 'ringbus',
      spread: { median: 300, min: 20, max: 4000 },
      ratios: { 'floor-futex': { median: 3, min: 2, max: 4 } },
    },
    { peer: 'floor-futex', spread: { median: 100, min: 10, max: 1000 }, ratios: {} },
  ])
})

test('what is not possible on a machine is said once, and voids nothing; what fails does', async (t) => {
  const tooLarge = new ImpossibleHere('a message may have 8192 bytes here')
  const floors: Floor[] = [
    { name: 'floor-posix-queue', measure: valuesInTurn([tooLarge, tooLarge, tooLarge]) },
    { name: 'floor-pipe', measure: valuesInTurn([1, new Error('the relay has ended'), 3]) },
  ]
  const options = optionsFor(['floor-posix-queue', 'floor-pipe'], [])
  const result = await runScenario(scenarioOf([1, 2, 3], floors), [RINGBUS], options)
  t.deepEqual(formatRemarks([result]), [
    'trial: not possible here, floor-posix-queue: a message may have 8192 bytes here',
    'trial: VOID, floor-pipe, round 2: the relay has ended',
  ])
  t.deepEqual(
    result.metrics[0]!.systems.map(({ peer }) => peer),
    ['ringbus', 'floor-pipe'],
  )
})

test('floors that were not chosen, or cannot be measured here, are left out', async (t) => {
  const floors: Floor[] = [
    { name: 'floor-futex', measure: valuesInTurn([1, 2, 3]) },
    { name: 'floor-pipe', measure: valuesInTurn([1, 2, 3]) },
  ]
  const chosen = await runScenario(scenarioOf([1, 2, 3], floors), [RINGBUS], optionsFor(['floor-pipe'], []))
  t.deepEqual(Object.keys(chosen.samples), ['ringbus', 'floor-pipe'])
  const options = { ...optionsFor([], []), floors: undefined }
  const without = await runScenario(scenarioOf([1, 2, 3], floors), [RINGBUS], options)
  t.deepEqual(Object.keys(without.samples), ['ringbus'])
})
