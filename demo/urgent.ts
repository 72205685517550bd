import { STAMP_BYTES, stamp } from './latency.js'
import { runMicroservice } from './microservice.js'
import { ALARM } from './topics.js'

/** The highest of the 32 priorities. */
const URGENT = 31

/** Often enough for a few hundred samples in a short run, seldom enough not to be a load itself. */
const ALARM_EVERY_MS = 5

await runMicroservice('demo-urgent', async (bus) => {
  const timer = setInterval(() => {
    const alarm = Buffer.alloc(STAMP_BYTES)
    stamp(alarm)
    bus.publish(ALARM, alarm, { priority: URGENT })
  }, ALARM_EVERY_MS)
  return async () => clearInterval(timer)
})
