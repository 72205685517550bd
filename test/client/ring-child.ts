// A client in a process or a thread of its own: `node ring-child.js <what> <path>`, or the same as `workerData`.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { connect, type RingbusClient } from '../../client/index.js'

const LARGE_BYTES = 20_000

const [what, path] = (isMainThread ? process.argv.slice(2) : workerData) as [string, string]

function say(text: string): void {
  if (isMainThread) console.log(text)
  else parentPort!.postMessage(text)
}

/** Never settles: a handler that returns it keeps its message. */
const FOR_EVER = new Promise<void>(() => {})

const ROLES: Record<string, (bus: RingbusClient) => Promise<void>> = {
  /** Takes part without the addon: everything it sends and gets is copied by way of the socket. */
  async plain(bus) {
    await bus.subscribe<Buffer>('to-child', { view: true }, async (message) => {
      message.release()
      const loan = await bus.loan('from-child', message.data.length)
      loan.bytes.set(message.data)
      loan.publish()
    }).ready
    say('ready')
  },

  /** Holds a view, a loan and a reply, and reports each. */
  async hold(bus) {
    bus.serve('reply', () => new Float64Array(LARGE_BYTES))
    const loan = await bus.loan('nobody', LARGE_BYTES)
    loan.bytes.fill(1)
    await bus.subscribe<Buffer>('to-child', { view: true }, ({ data }) => {
      say(`held ${data.length}`)
      return FOR_EVER
    }).ready
    const reply = await bus.request<Float64Array>('reply', null, { view: true })
    say(`ready ${reply.data.length}`)
    await bus.subscribe('exit', () => process.exit(0)).ready
    await FOR_EVER
    say(`${reply.data.length} ${loan.bytes.length}`)
  },

  /** Adds up what it gets, and publishes as much. */
  async echo(bus) {
    await bus.subscribe<Uint32Array>('to-child', { view: true }, ({ data }) => {
      bus.publish(
        'from-child',
        data.map((value) => value + 1),
      )
    }).ready
    say('ready')
  },
}

const bus = await connect({ path })
await ROLES[what]!(bus)
