import { setTimeout as pause } from 'node:timers/promises'
import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, PAYLOADS_IN_TURN, type PeerName } from '../peers/index.js'

export interface PacedOrder {
  /** In turn. */
  readonly topics: readonly string[]
  /** Of the first topic in the numbering, in which each publisher has places of its own. */
  readonly firstIndex: number
  readonly payloadBytes: number
  readonly messagesPerTick: number
  readonly tickMs: number
  readonly startNs: number
  readonly endNs: number
}

export interface PacedPublisherCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Publishes at a steady rate. What it was held up for is not made up for. */
  publish(order: PacedOrder): Promise<{ sent: number }>
}

let connection: Connection

const commands: PacedPublisherCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async publish({ topics, firstIndex, payloadBytes, messagesPerTick, tickMs, startNs, endNs }) {
    const numbering = new StreamNumbering(firstIndex + topics.length, payloadBytes)
    const buffers = makePayloads(PAYLOADS_IN_TURN, payloadBytes)
    let sent = 0
    for (let dueNs = startNs; dueNs < endNs; dueNs = Math.max(dueNs, nowNs() - tickMs * 1e6) + tickMs * 1e6) {
      const waitNs = dueNs - nowNs()
      if (waitNs > 0) await pause(waitNs / 1e6)
      for (let message = 0; message < messagesPerTick; message++) {
        const place = sent % topics.length
        const payload = buffers[sent % PAYLOADS_IN_TURN]!
        numbering.stamp(payload, firstIndex + place, 0)
        sent += 1
        if (!connection.publish(topics[place]!, payload)) await connection.ready(topics[place]!)
      }
    }
    await connection.flush()
    return { sent }
  },
}

answerCommands({ ...commands })
