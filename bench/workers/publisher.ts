import { setImmediate as nextTurn } from 'node:timers/promises'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { draftSource } from '../drafts.js'
import type { Flow } from '../flow.js'
import { StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, PAYLOADS_IN_TURN, type PeerName } from '../peers/index.js'
import { ProgressWatch } from '../progress.js'
import { randomIndexes } from '../random-indexes.js'

export interface PublishOrder {
  readonly topics: readonly string[]
  readonly payloadBytes: number
  readonly durationMs: number
  readonly flow: Flow
}

export interface PaceOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly durationMs: number
}

/** A median of fewer paced payloads means little, and more than the upper bound are not worth sending around. */
const PACED_MIN = 10
const PACED_MAX = 2000

export interface PublisherCommands {
  connect(order: {
    peer: PeerName
    address: string
    subscribers: number
    payloadBytesMin: number
  }): Promise<void>
  /** Publishes one stream; the topics follow one another at random. */
  publish(order: PublishOrder): Promise<{ sent: number; startNs: number }>
  /** Publishes one stream, each payload as every subscriber has reported the one before. */
  pace(order: PaceOrder): Promise<{ sent: number; sentNs: number[] }>
}

let connection: Connection
let progress: ProgressWatch

const commands: PublisherCommands = {
  async connect({ peer, address, subscribers, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    progress = new ProgressWatch(connection, subscribers)
    await connection.flush()
  },

  async publish({ topics, payloadBytes, durationMs, flow }) {
    const numbering = new StreamNumbering(topics.length, payloadBytes)
    const nextDraft = draftSource(connection, payloadBytes, Math.min(PAYLOADS_IN_TURN, flow.windowMessages))
    const topicIndexes = randomIndexes(PAYLOADS_IN_TURN, topics.length)
    progress.reset()
    let sent = 0

    async function publishBurst(messages: number, isLast: boolean): Promise<void> {
      for (const end = sent + messages; sent < end; ) {
        const topicIndex = topicIndexes[sent % PAYLOADS_IN_TURN]!
        const topic = topics[topicIndex]!
        const next = nextDraft(topic)
        // Without a wait where none is needed, which small payloads would feel.
        const draft = next instanceof Promise ? await next : next
        sent += 1
        numbering.stamp(draft.bytes, topicIndex, isLast && sent === end ? sent : 0)
        if (!draft.publish()) await connection.ready(topic)
      }
    }

    const startNs = nowNs()
    const endNs = startNs + durationMs * 1e6
    while (nowNs() < endNs) {
      const room = flow.windowMessages - (sent - progress.slowest)
      if (room > 0) {
        await publishBurst(Math.min(room, flow.burstMessages), false)
        await nextTurn()
      } else {
        await progress.next()
      }
    }
    await publishBurst(1, true)
    await connection.flush()
    return { sent, startNs }
  },

  async pace({ topic, payloadBytes, durationMs }) {
    const numbering = new StreamNumbering(1, payloadBytes)
    const nextDraft = draftSource(connection, payloadBytes, 1)
    progress.reset()
    const sentNs: number[] = []
    const endNs = nowNs() + durationMs * 1e6
    for (let isLast = false; !isLast; ) {
      const draft = await nextDraft(topic)
      const sent = sentNs.length + 1
      isLast = sent === PACED_MAX || (sent >= PACED_MIN && nowNs() >= endNs)
      numbering.stamp(draft.bytes, 0, isLast ? sent : 0)
      sentNs.push(nowNs())
      draft.publish()
      while (progress.slowest < sent) await progress.next()
    }
    return { sent: sentNs.length, sentNs }
  },
}

answerCommands({ ...commands })
