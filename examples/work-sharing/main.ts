import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const WORKERS = 3
const JOBS = 9

const broker = await brokerForExample()
const office = await connect({ path: broker.path, name: 'office' })
const workers = await Promise.all(
  Array.from({ length: WORKERS }, (_, index) => connect({ path: broker.path, name: `worker ${index + 1}` })),
)
// Where the language has it, `await using office = await connect(…)` takes the place of try and finally.
try {
  const jobsOf = new Array<number>(WORKERS).fill(0)
  const subscriptions = workers.map((worker, index) =>
    // Subscriptions of one group share the messages: each goes to one of them, the one with the least to do.
    worker.subscribe<number>('jobs.resize', { group: 'resizers' }, async (message) => {
      await delay(10)
      jobsOf[index]! += 1
      console.log(`worker ${index + 1} has done job ${message.data}`)
    }),
  )
  await Promise.all(subscriptions.map((subscription) => subscription.ready))

  for (let job = 1; job <= JOBS; job++) office.publish('jobs.resize', job)
  await office.flush()
  await Promise.all(subscriptions.map((subscription) => subscription.drain()))

  const done = jobsOf.reduce((sum, jobs) => sum + jobs, 0)
  const idle = jobsOf.filter((jobs) => jobs === 0).length
  console.log(`${done} jobs done, none twice; ${idle} workers had nothing to do`)
} finally {
  await office.close()
  await Promise.all(workers.map((worker) => worker.close()))
  await broker.close()
}
