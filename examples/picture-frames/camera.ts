import { connect } from '../../client/index.js' // in your own code: from 'ringbus'

/** Rows, columns, and red, green and blue of each. */
const PICTURE = { dtype: 'uint8', shape: [1080, 1920, 3] } as const

/** A sunrise: from picture to picture it grows lighter, from the horizon upwards. */
function expose(pixels: Uint8Array, number: number): void {
  const [rows, columns, channels] = PICTURE.shape
  const rowBytes = columns * channels
  for (let row = 0; row < rows; row++) {
    const light = Math.min(255, Math.floor((number * 60 * row) / rows))
    pixels.fill(light, row * rowBytes, (row + 1) * rowBytes)
  }
}

const path = process.argv[2]
if (path === undefined) throw new Error('main.js starts this process')
const bus = await connect({ path, name: 'camera' })
let number = 0
const service = bus.serve('camera.shoot', async () => {
  number += 1
  // Waits, if need be, until readers have given enough memory back.
  const loan = await bus.loan('camera.frames', PICTURE)
  // Subscribers read the pixels where they are written now: nothing is copied on the way.
  expose(loan.array, number)
  loan.publish({ headers: { number } })
})
await service.ready
process.send!('ready')
process.once('disconnect', () => bus.close())
