import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { PRIORITY_MAX } from '../../protocol/index.js'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, StreamNumbering, writeSentNs } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'
import { randomIndexes } from '../random-indexes.js'

export interface BacklogOrder {
  /** In turn. */
  readonly topics: readonly string[]
  readonly payloadBytes: number
  readonly count: number
}

/** At intervals from half to one and a half of what is asked. */
export interface Pace {
  readonly intervalMs: number
  /** The last one is published then, or a little later. */
  readonly untilNs: number
}

export interface UrgentOrder {
  readonly topic: string
  /** Of the topic in the numbering: behind those of the backlog. */
  readonly topicIndex: number
  readonly payloadBytes: number
  readonly pace: Pace
  /** Messages of the backlog, which the last urgent one counts as well. */
  readonly backlogCount: number
}

export interface OvertakingPublisherCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Publishes as fast as the system permits; resolves once the server has it all. */
  backlog(order: BacklogOrder): Promise<void>
  /** Publishes urgent messages, one at least. */
  urgent(order: UrgentOrder): Promise<void>
}

/** Messages of a backlog that are published in one turn of the event loop. */
const BURST_MESSAGES = 1024

/** Intervals, one after another, so that they do not keep step with anything. */
const INTERVALS = 1024

let connection: Connection

function publishUrgent(topic: string, payload: Buffer): void {
  if (connection.publishWithPriority === undefined) connection.publish(topic, payload)
  else connection.publishWithPriority(topic, payload, PRIORITY_MAX)
}

const commands: OvertakingPublisherCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async backlog({ topics, payloadBytes, count }) {
    const numbering = new StreamNumbering(topics.length, payloadBytes)
    // Each a buffer of its own: a client may keep all of them.
    const payloads = makePayloads(count, payloadBytes)
    for (let sent = 0; sent < count; sent++) {
      if (sent % BURST_MESSAGES === 0) await nextTurn()
      const payload = payloads[sent]!
      const topicIndex = sent % topics.length
      const topic = topics[topicIndex]!
      numbering.stamp(payload, topicIndex, 0)
      if (!connection.publish(topic, payload)) await connection.ready(topic)
    }
    await connection.flush()
  },

  async urgent({ topic, topicIndex, payloadBytes, pace, backlogCount }) {
    const numbering = new StreamNumbering(topicIndex + 1, payloadBytes)
    const percents = randomIndexes(INTERVALS, 100)
    for (let sent = 1, isLast = false; !isLast; sent++) {
      await pause((pace.intervalMs * (50 + percents[sent % INTERVALS]!)) / 100)
      const payload = makePayloads(1, payloadBytes)[0]!
      const sentNs = nowNs()
      isLast = sentNs >= pace.untilNs
      numbering.stamp(payload, topicIndex, isLast ? backlogCount + sent : 0)
      writeSentNs(payload, sentNs)
      publishUrgent(topic, payload)
    }
    await connection.flush()
  },
}

answerCommands({ ...commands })
