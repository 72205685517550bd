import test from 'ava'
import { loadPeer } from '../../bench/peers/index.js'
import { runScenario } from '../../bench/runner.js'
import { SCENARIOS } from '../../bench/scenarios/index.js'
import { closing, withServer } from '../../bench/scenarios/scenario.js'
import { STREAM_PROCESSES, Stream } from '../../bench/scenarios/stream.js'

/** As short as a sample can be. */
const OPTIONS = {
  pairs: 1,
  durationMs: 60,
  warmupMs: 20,
  seriesCount: 200,
  seriesMs: 20,
  backlogCount: 1000,
  pipelineCount: 1000,
  stopMs: 100,
  profileFolder: undefined,
}

const NAMES = [
  'throughput-128',
  'many-to-one',
  'priorities-32',
  'topics-64',
  'requests-64',
  'ping-pong',
  'request',
]

for (const name of NAMES) {
  test.serial(`a sample of ${name} has a value for each metric`, async (t) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name)!
    const { metrics, voids } = await runScenario(scenario, [await loadPeer('ringbus')], {
      ...OPTIONS,
      sampling: () => {},
    })
    t.deepEqual(voids, [])
    for (const { metric, systems } of metrics) {
      t.is(systems.length, 1, metric)
      t.true(systems[0]!.spread.median > 0, metric)
    }
  })
}

test.serial(
  'several streams of several publishers, topics, priorities and subscribers follow one another',
  async (t) => {
    const peer = await loadPeer('ringbus')
    const shape = { payloadBytesMin: 16, publishers: 3, topicCount: 4, priorities: 5, subscribers: 2 }
    await withServer(peer, OPTIONS, (server) =>
      closing(Stream.open(peer, server, shape, OPTIONS), async (stream) => {
        for (const payloadBytes of [16, 4096]) {
          const { perSecond, deliveries, processorNs } = await stream.run(payloadBytes)
          t.true(perSecond > 0)
          t.true(deliveries > 0)
          for (const kind of STREAM_PROCESSES) t.true(processorNs![kind] > 0)
        }
        t.true((await stream.pace(1024)).length > 0)
      }),
    )
  },
)
