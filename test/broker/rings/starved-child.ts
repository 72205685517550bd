import { closeSync, openSync } from 'node:fs'
import { connect } from '../../../client/index.js'
import { patterned } from '../ring-client.js'

/*
 * A client that has no descriptor left to receive: `starved-child.js <path>`, with few to begin with. It subscribes
 * `to.starved`, uses up its descriptors, all but the one for a connection, and sends `ready`. Then it tells the length
 * and soundness of whatever comes; on `publish` it publishes on `from.starved`.
 */
const bus = await connect({ path: process.argv[2]!, reconnect: false })
await bus.subscribe('to.starved', ({ data }) => {
  const bytes = data as Uint8Array
  process.send!({ length: bytes.length, isSound: patterned(bytes.length, bytes.length).equals(bytes) })
}).ready

const held: number[] = []
try {
  for (;;) held.push(openSync('/dev/null', 'r'))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
}
closeSync(held.pop()!)

process.on('message', async () => {
  bus.publish('from.starved', patterned(100_000, 100_000))
  await bus.flush()
})
process.send!('ready')
