import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { StreamCheck } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface CountingSubscribeOrder {
  readonly peer: PeerName
  readonly address: string
  readonly pattern: string
  readonly payloadBytes: number
  /** Places in the numbering. */
  readonly topicCount: number
}

export interface Counted {
  readonly received: number
  /** Messages that were out of order, twice there, or damaged. Those that are missing are none. */
  readonly faults: number
  /** Messages by interval. */
  readonly counts: readonly number[]
}

export interface CountingSubscriberCommands {
  /** With a connection that comes back, should the server close it. */
  connect(order: CountingSubscribeOrder): Promise<void>
  /** Counts by intervals of this length, the first of which starts then. */
  count(order: { startNs: number; intervalMs: number }): void
  /** What has come so far. */
  counted(nothing: null): Counted
}

let connection: Connection
let check: StreamCheck
let counts: number[] = []
let startNs = 0
let intervalNs = 1

function handle(payload: Uint8Array): void {
  check.accept(payload)
  const interval = Math.max(0, Math.floor((nowNs() - startNs) / intervalNs))
  counts[interval] = (counts[interval] ?? 0) + 1
}

const commands: CountingSubscriberCommands = {
  async connect({ peer, address, pattern, payloadBytes, topicCount }) {
    const settings = { payloadBytesMin: payloadBytes, reconnects: true } as const
    connection = await (await loadPeer(peer)).connect(address, settings)
    check = new StreamCheck(topicCount, payloadBytes, { gapsAllowed: true })
    connection.subscribe(pattern, handle)
    await connection.flush()
  },

  count(order) {
    startNs = order.startNs
    intervalNs = order.intervalMs * 1e6
    counts = []
  },

  counted() {
    return {
      received: check.received,
      faults: check.faults,
      counts: Array.from(counts, (count) => count ?? 0),
    }
  },
}

answerCommands({ ...commands })
