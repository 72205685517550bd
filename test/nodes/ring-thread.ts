// A thread with a client of its own, which ends with a view and a loan open. See ring-child.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from '../../client/index.js'
import { LARGE_BYTES } from '../client/ring-fixtures.js'

/** How a thread ends: nothing keeps it once its client is destroyed, it calls `process.exit`, others end it. */
export type ThreadEnd = 'destroy' | 'exit' | 'terminate'

export interface ThreadReport {
  /** Whether the view that it holds has the bytes that were published. */
  readonly isRight: boolean
}

const { path, end } = workerData as { readonly path: string; readonly end: ThreadEnd }
const bus = await connect({ path, name: `thread: ${end}`, reconnect: false })

const data = await new Promise<Buffer>((resolve) => {
  bus.subscribe<Buffer>('to-threads', { view: true }, (message) => {
    resolve(message.data)
    return new Promise(() => {})
  })
})
const published = await bus.loan('from-threads', LARGE_BYTES)
published.bytes.fill(7)
published.publish()
await bus.flush()
const kept = await bus.loan('never', LARGE_BYTES)

const report: ThreadReport = { isRight: data.length === LARGE_BYTES && data.every((byte) => byte === 8) }
parentPort!.once('message', () => {
  if (end === 'destroy') bus.destroy()
  if (end === 'exit') process.exit(kept.bytes.length === data.length ? 0 : 1)
})
parentPort!.postMessage(report)
