import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { StreamCheck } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'
import { ProgressReporter } from '../progress.js'

export interface ReceiveOrder {
  readonly topicCount: number
  readonly payloadBytes: number
  /** Messages between two reports of progress. */
  readonly reportMessages: number
}

export interface Received {
  readonly received: number
  readonly faults: number
  readonly endNs: number
}

let connection: Connection
let reporter: ProgressReporter
let check = new StreamCheck(0, 0)
let reportMessages = 1
let completed: (received: Received) => void = () => {}

function handle(payload: Uint8Array): void {
  check.accept(payload)
  if (check.received % reportMessages === 0) reporter.report(check.received)
  if (check.isComplete) completed({ received: check.received, faults: check.faults, endNs: nowNs() })
}

export interface SubscriberCommands {
  connect(order: { peer: PeerName; address: string; pattern: string; index: number }): Promise<void>
  /** Gets ready for one stream. */
  expect(order: ReceiveOrder): void
  /** Resolves once the stream is complete. */
  receive(nothing: null): Promise<Received>
  /** How far the stream has come. */
  state(nothing: null): { received: number; faults: number }
}

const commands: SubscriberCommands = {
  async connect({ peer, address, pattern, index }) {
    connection = await (await loadPeer(peer)).connect(address)
    reporter = new ProgressReporter(connection, index)
    connection.subscribe(pattern, handle)
    await connection.flush()
  },

  expect(order) {
    check = new StreamCheck(order.topicCount, order.payloadBytes)
    reportMessages = order.reportMessages
  },

  receive() {
    return new Promise((resolve) => {
      completed = resolve
    })
  },

  state() {
    return { received: check.received, faults: check.faults }
  },
}

answerCommands({ ...commands })
