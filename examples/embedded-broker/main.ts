import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../../broker/index.js' // in your own code: from 'ringbus/broker'
import { connect } from '../../client/index.js' // in your own code: from 'ringbus'

// A broker may live within a program, as a test or a tool wants it. This example starts one in any case.
const directory = await mkdtemp(join(tmpdir(), 'ringbus-example-'))
const broker = await startBroker({
  path: join(directory, 'broker.sock'),
  // Every limit of the broker may be set here; a wrong one is refused with its name.
  payloadBytesMax: 1024 * 1024,
  clientsMax: 10,
})
// Where the language has it, `await using broker = await startBroker(…)` takes the place of try and finally.
try {
  const bus = await connect({ path: broker.path, name: 'the only client' })
  console.log('clients:', broker.clientCount)

  // The broker answers requests about itself.
  const { data: stats } = await bus.request<{ clients: number; subscriptions: number }>('$SYS.stats')
  console.log('the broker says:', stats.clients, 'client,', stats.subscriptions, 'subscriptions')

  await bus.close()
} finally {
  // Lets what is queued leave, ends every connection and removes the socket.
  await broker.close()
  await rm(directory, { recursive: true })
}
console.log('closed')
