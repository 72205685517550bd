// Runs in a project that has ringbus installed: a broker in a process of its own, and two clients here, one of which
// sends the other large payloads. Prints as JSON what the test wants to know.
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { loadedAddon } from './loaded-addon.js'

const PAYLOAD_BYTES = 1024 * 1024
const PAYLOADS = 4

/** What `consumer-exchange.js <socket path>` prints. */
export interface ExchangeReport {
  /** The files of the addons that the processes have loaded. */
  readonly addons: { readonly broker: string | undefined; readonly clients: string | undefined }
  readonly sent: readonly string[]
  readonly received: readonly string[]
}

/** Not a literal: the compiler would look for the package in this checkout, where it may not be built yet. */
const entry: string = 'ringbus'
const { connect } = (await import(entry)) as typeof import('../../client/index.js')

function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex')}`
}

const path = process.argv[2]!
const brokerProcess = fork(new URL('consumer-broker.js', import.meta.url), [path])
const [started] = (await once(brokerProcess, 'message')) as [{ addon?: string }]

const publisher = await connect({ path, name: 'publisher' })
const subscriber = await connect({ path, name: 'subscriber' })
const arrivals = subscriber.subscribe('bulk')[Symbol.asyncIterator]()
await subscriber.flush()

const sent: string[] = []
const received: string[] = []
for (let payload = 0; payload < PAYLOADS; payload++) {
  const bytes = randomBytes(PAYLOAD_BYTES)
  sent.push(digest(bytes))
  publisher.publish('bulk', bytes)
  const arrival = await arrivals.next()
  if (!arrival.done) received.push(digest(arrival.value.bytes))
}

const report: ExchangeReport = { addons: { broker: started.addon, clients: loadedAddon() }, sent, received }
console.log(JSON.stringify(report))
await subscriber.close()
await publisher.close()
brokerProcess.disconnect()
