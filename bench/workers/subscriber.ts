import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { StreamCheck } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'
import { ProgressReporter, type ReportOrder } from '../progress.js'

export interface ReceiveOrder extends ReportOrder {
  readonly payloadBytes: number
  /** Whether to keep the time of each arrival. */
  readonly timed: boolean
}

export interface Received {
  readonly received: number
  readonly faults: number
  readonly endNs: number
  /** When the handler of each was called, if the order said so. */
  readonly arrivedNs: readonly number[]
}

export interface SubscribeOrder {
  readonly peer: PeerName
  readonly address: string
  readonly pattern: string
  readonly index: number
  readonly payloadBytesMin: number
}

export interface SubscriberCommands {
  connect(order: SubscribeOrder): Promise<void>
  /** Gets ready for one stream. */
  expect(order: ReceiveOrder): void
  /** Resolves once the stream is complete. */
  receive(nothing: null): Promise<Received>
  /** How far the stream has come. */
  state(nothing: null): { received: number; faults: number }
}

let connection: Connection
let reporter: ProgressReporter
let check = new StreamCheck(0, 0)
let order: ReceiveOrder
let arrivedNs: number[] = []
let complete: (received: Received) => void
let completed: Promise<Received>

function handle(payload: Uint8Array): void {
  if (order.timed) arrivedNs.push(nowNs())
  reporter.handled(check.accept(payload))
  if (!check.isComplete) return
  complete({ received: check.received, faults: check.faults, endNs: nowNs(), arrivedNs })
}

const commands: SubscriberCommands = {
  async connect({ peer, address, pattern, index, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    reporter = new ProgressReporter(connection, index)
    connection.subscribe(pattern, handle)
    await connection.flush()
  },

  expect(nextOrder) {
    order = nextOrder
    const { publishers, sequencesPerPublisher, payloadBytes } = order
    check = new StreamCheck(publishers * sequencesPerPublisher, payloadBytes, { publishers })
    reporter.expect(order)
    arrivedNs = []
    completed = new Promise((resolve) => {
      complete = resolve
    })
  },

  receive() {
    return completed
  },

  state() {
    return { received: check.received, faults: check.faults }
  },
}

answerCommands({ ...commands })
