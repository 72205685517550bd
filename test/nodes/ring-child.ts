// Rings as a client has them, under whichever Node runs this: `node ring-child.js <scenario> <socket path>`. Writes
// one line of JSON, the version of that Node with it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { startBroker } from '../../broker/index.js'
import { connect, type Message, type RingbusClient } from '../../client/index.js'
import { collectUntil } from '../client/garbage.js'
import { allReleased, eventually, LARGE_BYTES, leases, openRing, ringStats } from '../client/ring-fixtures.js'
import type { ThreadEnd, ThreadReport } from './ring-thread.js'

const NO_DELAY = { delayMin: 1, delayMax: 20 }

/** A buffer and what it is read through. */
interface Held {
  readonly message: Message<Buffer>
  readonly data: Buffer
}

function connectTo(path: string): Promise<RingbusClient> {
  return connect({ path, reconnect: NO_DELAY })
}

function isFilledWith(bytes: Uint8Array, byte: number): boolean {
  return bytes.length === LARGE_BYTES && bytes.every((value) => value === byte)
}

/** Publishes this byte many times over, and gives the view of it that a handler holds which never ends. */
async function holdView(publisher: RingbusClient, reader: RingbusClient, byte: number): Promise<Held> {
  let hold: (held: Held) => void = () => {}
  const held = new Promise<Held>((resolve) => {
    hold = resolve
  })
  const subscription = reader.subscribe<Buffer>('held', { view: true }, (message) => {
    hold({ message, data: message.data })
    return new Promise(() => {})
  })
  await subscription.ready
  publisher.publish('held', Buffer.alloc(LARGE_BYTES, byte))
  const view = await held
  subscription.unsubscribe()
  await eventually(async () => (await leases(publisher)) > 0)
  return view
}

function mapsOfSegments(): number {
  return readFileSync('/proc/self/maps', 'utf8').split('/memfd:ringbus-segment').length - 1
}

/** Node 20 has it behind a flag. */
type Transferable = ArrayBuffer & { transfer(): ArrayBuffer }

/** Moves the memory of a view to another buffer. */
function heirOf(data: Buffer): Uint8Array {
  return new Uint8Array((data.buffer as Transferable).transfer())
}

/** What became of a view that was to move elsewhere: some versions of Node copy memory like this, others refuse. */
async function outcomeOf(move: () => Promise<boolean> | boolean): Promise<'passed on' | 'refused' | 'wrong'> {
  try {
    return (await move()) ? 'passed on' : 'wrong'
  } catch (error) {
    if ((error as Error).name !== 'DataCloneError') throw error
    return 'refused'
  }
}

/** Has another thread read a view, which is to move there. */
async function readInThread(data: Buffer, byte: number): Promise<boolean> {
  const program = `const { parentPort, workerData } = require('node:worker_threads')
    const isRight = (value) => value === workerData
    parentPort.once('message', (bytes) => parentPort.postMessage(bytes.every(isRight)))`
  const worker = new Worker(program, { eval: true, workerData: byte })
  try {
    const answer = once(worker, 'message')
    worker.postMessage(new Uint8Array(data.buffer), [data.buffer as ArrayBuffer])
    return (await answer)[0]
  } finally {
    await worker.terminate()
  }
}

/** Starts a thread with a client of its own, which holds a view and a loan. */
async function startThread(path: string, end: ThreadEnd): Promise<{ worker: Worker; report: ThreadReport }> {
  const program = fileURLToPath(new URL('ring-thread.js', import.meta.url))
  const worker = new Worker(program, { workerData: { path, end } })
  const report = await new Promise<ThreadReport>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  return { worker, report }
}

const scenarios: Record<string, (path: string) => Promise<unknown>> = {
  async released(path) {
    const [publisher, reader] = [await connectTo(path), await connectTo(path)]
    await openRing(publisher)
    const { message, data } = await holdView(publisher, reader, 3)
    const [array, dataView] = [new Uint16Array(data.buffer), new DataView(data.buffer)]
    const wasRight = isFilledWith(data, 3)
    message.release()
    let code: unknown
    let read: unknown
    try {
      code = message.bytes
    } catch (error) {
      code = (error as { code: string }).code
    }
    try {
      read = dataView.getUint8(0)
    } catch (error) {
      read = (error as Error).name
    }
    await allReleased(publisher)
    for (const bus of [publisher, reader]) bus.destroy()
    return { wasRight, length: data.length, byte: data[0] ?? null, elements: array.length, code, read }
  },

  /** What the view's buffer was transferred to stays readable, and its lease lasts as long. */
  async escaped(path) {
    const [publisher, reader] = [await connectTo(path), await connectTo(path)]
    await openRing(publisher)
    const { message, data } = await holdView(publisher, reader, 5)
    const heirs = [heirOf(data)]
    message.release()
    await publisher.flush()
    const report = {
      isReadable: isFilledWith(heirs[0]!, 5),
      length: data.length,
      leases: await leases(publisher),
    }
    heirs.length = 0
    await collectUntil(async () => (await leases(publisher)) === 0)
    for (const bus of [publisher, reader]) bus.destroy()
    return report
  },

  /** A clone and a message to another thread that are to take a view along. */
  async 'passed on'(path) {
    const [publisher, reader] = [await connectTo(path), await connectTo(path)]
    await openRing(publisher)
    const cloned = await holdView(publisher, reader, 6)
    const { buffer } = cloned.data
    const byClone = await outcomeOf(() => {
      return isFilledWith(new Uint8Array(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })), 6)
    })
    cloned.message.release()
    const posted = await holdView(publisher, reader, 7)
    const byThread = await outcomeOf(() => readInThread(posted.data, 7))
    posted.message.release()
    await collectUntil(async () => (await leases(publisher)) === 0)
    for (const bus of [publisher, reader]) bus.destroy()
    return { byClone, byThread, lengths: [cloned.data.length, posted.data.length] }
  },

  /** Threads end in each way there is, with views and loans open; the process goes on. */
  async threads(path) {
    const main = await connectTo(path)
    await openRing(main)
    const fromThreads: boolean[] = []
    await main.subscribe<Buffer>('from-threads', { view: true }, ({ data }) => {
      fromThreads.push(isFilledWith(data, 7))
    }).ready
    const timer = setInterval(() => main.publish('to-threads', Buffer.alloc(LARGE_BYTES, 8)), 5)
    const ends: readonly ThreadEnd[] = ['destroy', 'exit', 'terminate']
    const threads = await Promise.all(ends.map((end) => startThread(path, end)))
    clearInterval(timer)
    const held = await leases(main)
    const exits = threads.map(({ worker }) => new Promise((resolve) => worker.once('exit', resolve)))
    for (const { worker } of threads) worker.postMessage('end')
    await threads[ends.indexOf('terminate')]!.worker.terminate()
    await Promise.all(exits)
    await allReleased(main)
    // Its ring goes on, and everything that they had has gone with them.
    await openRing(main)
    main.destroy()
    await collectUntil(() => mapsOfSegments() === 0)
    return { seen: threads.map(({ report }) => report.isRight), fromThreads, areHeld: held >= threads.length }
  },

  async exit(path) {
    const bus = await connectTo(path)
    await openRing(bus)
    const { data } = await holdView(bus, bus, 9)
    const loan = await bus.loan('never', LARGE_BYTES)
    const heir = heirOf((await holdView(bus, bus, 9)).data)
    process.once('exit', () => {
      print({ isReadable: isFilledWith(data, 9) && isFilledWith(heir, 9), loaned: loan.bytes.length })
    })
    process.exit(7)
  },

  /** Nothing of rings keeps a process alive whose clients are closed, whatever it holds. */
  async end(path) {
    const bus = await connectTo(path)
    await openRing(bus)
    const { message, data } = await holdView(bus, bus, 4)
    const heir = heirOf(data)
    const loan = await bus.loan('never', LARGE_BYTES)
    bus.destroy()
    message.release()
    process.once('exit', () => {
      print({ isReadable: isFilledWith(heir, 4), length: data.length, loaned: loan.bytes.length })
    })
    return undefined
  },

  /** The broker goes and another one comes; the view of what the first one brought stays. */
  async reconnect(path) {
    const options = { path, attachTimeoutMs: 60_000 }
    const first = await startBroker(options)
    const [publisher, reader] = [await connectTo(path), await connectTo(path)]
    await openRing(publisher)
    const { message, data } = await holdView(publisher, reader, 1)
    const back = [publisher, reader].map(
      (bus) => new Promise<void>((resolve) => bus.once('reconnect', resolve)),
    )
    await first.close()
    const second = await startBroker(options)
    await Promise.all(back)
    await openRing(publisher)
    const wasRight = isFilledWith(data, 1)
    const next = await holdView(publisher, reader, 2)
    const report = { wasRight, isRight: isFilledWith(next.data, 2), staysRight: isFilledWith(data, 1) }
    message.release()
    next.message.release()
    await allReleased(publisher)
    const { delivered } = await ringStats(publisher)
    publisher.destroy()
    reader.destroy()
    await second.close()
    await collectUntil(() => mapsOfSegments() === 0)
    return { ...report, length: data.length, hasDelivered: delivered > 0 }
  },
}

function print(report: object): void {
  console.log(JSON.stringify({ node: process.version, ...report }))
}

const [name, path] = process.argv.slice(2)
const report = await scenarios[name!]!(path!)
if (report !== undefined) print(report as object)
