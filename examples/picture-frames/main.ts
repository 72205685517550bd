import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type RingbusClient } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const FRAMES = 5

function meanOf(pixels: Uint8Array): number {
  let sum = 0
  for (const pixel of pixels) sum += pixel
  return sum / pixels.length
}

/** Payloads that were read in shared memory, of all clients of the broker. */
async function deliveredByRing(bus: RingbusClient): Promise<number> {
  const { data } = await bus.request<{ rings: { delivered: number } }>('$SYS.stats')
  return data.rings.delivered
}

const broker = await brokerForExample()
const viewer = await connect({ path: broker.path, name: 'viewer' })
const camera = fork(new URL('camera.js', import.meta.url), [broker.path])
// Where the language has it, `await using viewer = await connect(…)` takes the place of try and finally.
try {
  await once(camera, 'message')
  const before = await deliveredByRing(viewer)
  const frames = viewer.subscribe<Uint8Array>('camera.frames', { view: true })
  await frames.ready

  let seen = 0
  await viewer.request('camera.shoot')
  for await (const frame of frames) {
    // With `view: true` these are the bytes that the camera wrote, in the same memory. They are there to be read
    // until the next step of the loop, and gone then: what is to be kept has to be copied.
    const [height, width] = frame.shape!
    const brightness = meanOf(frame.data).toFixed(1)
    console.log(`frame ${frame.headers['number']}: ${width} × ${height}, mean brightness ${brightness}`)
    seen += 1
    if (seen === FRAMES) break
    await viewer.request('camera.shoot')
  }
  const byRing = (await deliveredByRing(viewer)) - before
  console.log(`${byRing} of ${seen} frames came through shared memory`)
} finally {
  const ended = once(camera, 'exit')
  camera.disconnect()
  await ended
  await viewer.close()
  await broker.close()
}
