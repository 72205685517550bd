// Runs in a project that has ringbus installed: a broker in a process of its own, and two clients here, one of which
// sends the other large payloads. Prints as JSON what the test wants to know.
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { loadedAddon } from './loaded-addon.js'

const PAYLOAD_BYTES = 1024 * 1024
const PAYLOADS = 4

/** The first ones go by socket, until the ring is there; on a machine that is busy for long, many of them. */
const EARLY_PAYLOADS_MAX = 1000

/** What `consumer-exchange.js <socket path>` prints. */
export interface ExchangeReport {
  /** The files of the addons that the processes have loaded. */
  readonly addons: { readonly broker: string | undefined; readonly clients: string | undefined }
  /** Digests of all payloads. */
  readonly sent: readonly string[]
  readonly received: readonly string[]
  /** What the broker counted while the last of them were on their way. */
  readonly rings: { readonly payloads: number; readonly delivered: number; readonly inlined: number }
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

async function pass(): Promise<void> {
  const bytes = randomBytes(PAYLOAD_BYTES)
  sent.push(digest(bytes))
  publisher.publish('bulk', bytes)
  const arrival = await arrivals.next()
  if (!arrival.done) received.push(digest(arrival.value.bytes))
}

async function counts(): Promise<{ delivered: number; inlined: number }> {
  const { data } = await subscriber.request<{ rings: { delivered: number; inlined: number } }>('$SYS.stats')
  return data.rings
}

while ((await counts()).delivered === 0 && sent.length < EARLY_PAYLOADS_MAX) await pass()
const before = await counts()
for (let payload = 0; payload < PAYLOADS; payload++) await pass()
const after = await counts()

const report: ExchangeReport = {
  addons: { broker: started.addon, clients: loadedAddon() },
  sent,
  received,
  rings: {
    payloads: PAYLOADS,
    delivered: after.delivered - before.delivered,
    inlined: after.inlined - before.inlined,
  },
}
console.log(JSON.stringify(report))
await arrivals.return?.()
await subscriber.close()
await publisher.close()
brokerProcess.disconnect()
