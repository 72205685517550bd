import { once } from 'node:events'
import { connect } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const broker = await brokerForExample()
const plant = await connect({ path: broker.path, name: 'plant' })
const control = await connect({ path: broker.path, name: 'control-room' })
// Where the language has it, `await using plant = await connect(…)` takes the place of try and finally.
try {
  // The first reading keeps the control room busy until everything else has arrived.
  const room = new EventTarget()
  const isBusy = once(room, 'busy')
  const isFree = once(room, 'free')
  const messages = control.subscribe<string>('plant.>', async (message) => {
    console.log(`priority ${message.priority}: ${message.data}`)
    room.dispatchEvent(new Event('busy'))
    await isFree
  })
  await messages.ready

  plant.publish('plant.temperature', 'reading 1')
  await isBusy

  // From 0, the default, to 31: the higher, the more urgent.
  plant.publish('plant.temperature', 'reading 2')
  plant.publish('plant.temperature', 'reading 3')
  plant.publish('plant.notice', 'the filter is old', { priority: 10 })
  plant.publish('plant.alarm', 'the boiler is too hot', { priority: 31 })

  // The broker has passed on all that the plant published, and the control room has got it.
  await plant.flush()
  await control.flush()
  room.dispatchEvent(new Event('free'))
  await messages.drain()
} finally {
  await plant.close()
  await control.close()
  await broker.close()
}
