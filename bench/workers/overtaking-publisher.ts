import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, StreamNumbering, writeSentNs } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'
import { randomIndexes } from '../random-indexes.js'

export interface BacklogOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly count: number
}

export interface UrgentOrder {
  readonly topic: string
  readonly payloadBytes: number
  /** The last one is published then, or a little later. */
  readonly untilNs: number
  readonly intervalMs: number
  /** Messages of the backlog, which the last urgent one counts as well. */
  readonly backlogCount: number
}

export interface OvertakingPublisherCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Publishes as fast as the system permits; resolves once the server has it all. */
  backlog(order: BacklogOrder): Promise<void>
  /** Publishes urgent messages, at intervals from half to one and a half of what is asked. */
  urgent(order: UrgentOrder): Promise<void>
}

/** Places of the two kinds of messages in the numbering. */
export const BULK_INDEX = 0
export const URGENT_INDEX = 1

/** Messages of a backlog that are published in one turn of the event loop. */
const BURST_MESSAGES = 1024

/** Intervals, one after another, so that they do not keep step with anything. */
const INTERVALS = 1024

let connection: Connection

function publishUrgent(topic: string, payload: Buffer): void {
  if (connection.publishUrgent === undefined) connection.publish(topic, payload)
  else connection.publishUrgent(topic, payload)
}

const commands: OvertakingPublisherCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async backlog({ topic, payloadBytes, count }) {
    const numbering = new StreamNumbering(BULK_INDEX + 1, payloadBytes)
    // Each a buffer of its own: a client may keep all of them.
    const payloads = makePayloads(count, payloadBytes)
    for (let sent = 0; sent < count; sent++) {
      if (sent % BURST_MESSAGES === 0) await nextTurn()
      const payload = payloads[sent]!
      numbering.stamp(payload, BULK_INDEX, 0)
      if (!connection.publish(topic, payload)) await connection.ready(topic)
    }
    await connection.flush()
  },

  async urgent({ topic, payloadBytes, untilNs, intervalMs, backlogCount }) {
    const numbering = new StreamNumbering(URGENT_INDEX + 1, payloadBytes)
    const percents = randomIndexes(INTERVALS, 100)
    for (let sent = 1, isLast = false; !isLast; sent++) {
      await pause((intervalMs * (50 + percents[sent % INTERVALS]!)) / 100)
      const payload = makePayloads(1, payloadBytes)[0]!
      const sentNs = nowNs()
      isLast = sentNs >= untilNs
      numbering.stamp(payload, URGENT_INDEX, isLast ? backlogCount + sent : 0)
      writeSentNs(payload, sentNs)
      publishUrgent(topic, payload)
    }
    await connection.flush()
  },
}

answerCommands({ ...commands })
