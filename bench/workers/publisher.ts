import { setImmediate as nextTurn } from 'node:timers/promises'
import { Bursts } from '../bursts.js'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { draftSource } from '../drafts.js'
import type { Flow } from '../flow.js'
import { StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'
import { ProgressWatch } from '../progress.js'

export interface PublisherConnectOrder {
  readonly peer: PeerName
  readonly address: string
  /** Among the publishers of the streams to come. */
  readonly index: number
  readonly subscribers: number
  readonly payloadBytesMin: number
}

export interface PublishOrder {
  readonly topics: readonly string[]
  readonly priorities: number
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
  connect(order: PublisherConnectOrder): Promise<void>
  /** Publishes its part of one stream; topics and priorities follow one another at random. */
  publish(order: PublishOrder): Promise<{ sent: number; startNs: number }>
  /** Publishes one stream, each payload as every subscriber has reported the one before. */
  pace(order: PaceOrder): Promise<{ sent: number; sentNs: number[] }>
}

let connection: Connection
let publisherIndex: number
let progress: ProgressWatch

const commands: PublisherCommands = {
  async connect({ peer, address, index, subscribers, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    publisherIndex = index
    progress = new ProgressWatch(connection, index, subscribers)
    await connection.flush()
  },

  async publish({ flow, durationMs, ...order }) {
    const { windowMessages, burstMessages } = flow
    const bursts = new Bursts(connection, { ...order, publisherIndex, buffers: windowMessages })
    progress.reset()
    const startNs = nowNs()
    const endNs = startNs + durationMs * 1e6
    while (nowNs() < endNs) {
      const room = windowMessages - (bursts.sent - progress.slowest)
      if (room > 0) {
        await bursts.publish(Math.min(room, burstMessages), 'not last')
        await nextTurn()
      } else {
        await progress.next()
      }
    }
    await bursts.publish(1, 'last')
    await connection.flush()
    return { sent: bursts.sent, startNs }
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
