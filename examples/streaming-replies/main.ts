import { once } from 'node:events'
import { connect } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const broker = await brokerForExample()
const server = await connect({ path: broker.path, name: 'counter' })
const bus = await connect({ path: broker.path, name: 'user' })
// Where the language has it, `await using bus = await connect(…)` takes the place of try and finally.
try {
  // A handler that is an async generator answers with a stream. It runs ahead of its reader by a window of bytes
  // and then waits, so a slow reader costs no memory.
  const counters = new EventTarget()
  const service = server.serve<{ from: number; to: number }, number>('count', async function* (request) {
    try {
      for (let number = request.data.from; number <= request.data.to; number++) yield number
    } finally {
      counters.dispatchEvent(new Event('stopped'))
    }
  })
  await service.ready

  for await (const part of bus.requestStream<number>('count', { from: 1, to: 3 })) {
    console.log('part', part.data)
  }
  console.log('the stream has ended')

  const isStopped = once(counters, 'stopped')
  // Leaving the loop cancels the request, and the generator's `finally` runs: an endless stream is no problem.
  for await (const part of bus.requestStream<number>('count', { from: 1, to: Number.POSITIVE_INFINITY })) {
    if (part.data === 1_000) break
  }
  await isStopped
  console.log('the endless stream was cancelled')

  await service.stop()
} finally {
  await bus.close()
  await server.close()
  await broker.close()
}
