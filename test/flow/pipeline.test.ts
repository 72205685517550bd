import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { droppedOf, rowsOf, statsOf } from './books.js'
import { Company } from './company.js'
import type { PipelinePart, PipelineReport } from './pipeline-child.js'
import { startProgram } from './programs.js'

const COUNT = 1_000_000

/** Memory is flat if the second half of the messages needs no more than the first, but for this much. */
const GROWTH_MAX = 1.2

const LOOK_INTERVAL_MS = 20

test(`pipeline() from stream to stream: ${COUNT} messages, with flat memory in all three processes`, async (t) => {
  // Whatever memory streams take that move to pairs of rings, they have it in both halves.
  const company = await Company.open(t, { pairAfterBytes: 1, pairPieceBytesMin: 1 })
  const { path, observer } = company
  const part = { path, topic: 'data', count: COUNT }
  const sink = startProgram<PipelinePart>(t, './pipeline-child.js', { ...part, role: 'sink' })
  t.is(await sink.message(), 'ready')
  const source = startProgram<PipelinePart>(t, './pipeline-child.js', { ...part, role: 'source' })

  const broker: [number, number] = [0, 0]
  let half = 0
  let isOver = false
  const looking = (async () => {
    while (!isOver) {
      const { rss } = (await statsOf(observer)).memory
      broker[half] = Math.max(broker[half]!, rss)
      await delay(LOOK_INTERVAL_MS)
    }
  })()
  t.is(await sink.message(), 'half')
  half = 1
  const reports = [await source.message<PipelineReport>(), await sink.message<PipelineReport>()]
  isOver = true
  await looking

  const processes = { source: reports[0]!.rssMax, sink: reports[1]!.rssMax, broker }
  t.log(processes)
  t.is(reports[1]!.fault, undefined)
  for (const [name, [first, second]] of Object.entries(processes)) {
    t.true(second <= first * GROWTH_MAX, `${name} grew from ${first} to ${second}`)
  }
  const { matched, handled, droppedBy } = (await statsOf(observer)).deliveries
  t.true(matched >= COUNT && handled >= COUNT)
  t.is(droppedOf({ matched, handled, droppedBy, queued: 0, inFlight: 0 }), 0)
  t.deepEqual(await rowsOf(observer, 'sink'), [])
})
