import { connect, RingbusError } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

interface Division {
  readonly dividend: number
  readonly divisor: number
}

const broker = await brokerForExample()
const calculator = await connect({ path: broker.path, name: 'calculator' })
const bus = await connect({ path: broker.path, name: 'user' })
// Where the language has it, `await using bus = await connect(…)` takes the place of try and finally.
try {
  const service = calculator.serve<Division, number>('math.divide', async ({ data }) => {
    if (data.divisor === 0) throw new Error('Nothing can be divided by zero')
    return data.dividend / data.divisor
  })
  await service.ready

  const reply = await bus.request<number>('math.divide', { dividend: 84, divisor: 2 })
  console.log('84 / 2 =', reply.data)

  // A request never ends in silence: the handler's own error comes back …
  await explainFailure('math.divide', { dividend: 1, divisor: 0 })
  // … and so does the news that nobody serves, at once rather than after a timeout.
  await explainFailure('math.multiply', { left: 6, right: 7 })

  await service.stop()
} finally {
  await bus.close()
  await calculator.close()
  await broker.close()
}

async function explainFailure(topic: string, data: unknown): Promise<void> {
  try {
    await bus.request(topic, data, { timeout: 1_000 })
  } catch (error) {
    // Branch on `code`, which is stable; the message is for people.
    if (!(error instanceof RingbusError)) throw error
    console.log(`${topic}: ${error.code}: ${error.message}`)
  }
}
