import { pipeline } from 'node:stream/promises'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { connect, type Message } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const READINGS = 20_000

/** A sensor that could give readings faster than anybody here takes them. */
function* readings(): Iterable<number> {
  for (let number = 1; number <= READINGS; number++) yield number
}

const broker = await brokerForExample()
const sensor = await connect({ path: broker.path, name: 'sensor' })
const recorder = await connect({ path: broker.path, name: 'recorder' })
const display = await connect({ path: broker.path, name: 'display' })
try {
  // The display needs to know how things are now. Of what it was too slow for, the newest reading is left.
  const shown: number[] = []
  const view = display.subscribe<number>('room.temperature', { overflow: 'latest' }, async (msg) => {
    await delay(1)
    shown.push(msg.data)
  })
  await view.ready

  // The recorder must have every reading. `block` is the default: once its backlog is full, here at 1,000 messages,
  // whoever publishes on the topic is paused until there is room.
  const record = recorder.createReadStream<number>('room.temperature', { backlogMessagesMax: 1000 })
  await record.ready
  const recorded: number[] = []
  const recording = pipeline(record, async (messages: AsyncIterable<Message<number>>) => {
    for await (const msg of messages) {
      await nextTurn()
      recorded.push(msg.data)
      if (msg.data === READINGS) break
    }
  })

  // A stream of Node's, which is held up together with its topic: the sensor goes at the pace of the recorder.
  await pipeline(readings, sensor.createWriteStream('room.temperature'))
  await recording
  await view.drain()

  const complete = recorded.every((reading, index) => reading === index + 1)
  console.log(`the recorder has ${recorded.length} readings, ${complete ? 'in order' : 'out of order'}`)
  console.log(`the display has left some out: ${shown.length < READINGS}`)
  console.log(`and shows the last one: ${shown.at(-1)}`)
} finally {
  await Promise.all([sensor.close(), recorder.close(), display.close()])
  await broker.close()
}
