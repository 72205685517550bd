import { setImmediate as nextTurn } from 'node:timers/promises'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, PAYLOADS_IN_TURN, type PeerName, type Tuning } from '../peers/index.js'
import { ProgressWatch } from '../progress.js'
import { randomIndexes } from '../random-indexes.js'

export interface PublishOrder {
  readonly topics: readonly string[]
  readonly payloadBytes: number
  readonly durationMs: number
  readonly tuning: Tuning
}

let connection: Connection
let progress: ProgressWatch

export interface PublisherCommands {
  connect(order: { peer: PeerName; address: string; subscribers: number }): Promise<void>
  /** Publishes one stream; the topics follow one another at random. */
  publish(order: PublishOrder): Promise<{ sent: number; startNs: number }>
}

const commands: PublisherCommands = {
  async connect({ peer, address, subscribers }) {
    connection = await (await loadPeer(peer)).connect(address)
    progress = new ProgressWatch(connection, subscribers)
    await connection.flush()
  },

  async publish({ topics, payloadBytes, durationMs, tuning }) {
    const numbering = new StreamNumbering(topics.length)
    const payloads = makePayloads(PAYLOADS_IN_TURN, payloadBytes)
    const topicIndexes = randomIndexes(PAYLOADS_IN_TURN, topics.length)
    progress.reset()
    let sent = 0

    function publishBurst(messages: number, isLast: boolean): void {
      for (const end = sent + messages; sent < end; ) {
        const turn = sent % PAYLOADS_IN_TURN
        const topicIndex = topicIndexes[turn]!
        const payload = payloads[turn]!
        sent += 1
        numbering.stamp(payload, topicIndex, isLast && sent === end ? sent : 0)
        connection.publish(topics[topicIndex]!, payload)
      }
    }

    const startNs = nowNs()
    const endNs = startNs + durationMs * 1e6
    while (nowNs() < endNs) {
      const room = tuning.windowMessages - (sent - progress.slowest)
      if (room > 0) {
        publishBurst(Math.min(room, tuning.burstMessages), false)
        await nextTurn()
      } else {
        await progress.next()
      }
    }
    publishBurst(1, true)
    await connection.flush()
    return { sent, startNs }
  },
}

answerCommands({ ...commands })
