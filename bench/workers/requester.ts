import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, type PeerName, requestsOf } from '../peers/index.js'

export interface RequestOrder {
  readonly topic: string
  readonly payloadBytes: number
  /** Requests that wait for their replies at the same time. */
  readonly inFlight: number
  readonly durationMs: number
}

export interface Requested {
  readonly count: number
  /** From the first request to the last reply. */
  readonly elapsedNs: number
}

export interface RequesterCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Makes one request after another in each of so many loops; rejects when a reply is not what was sent. */
  request(order: RequestOrder): Promise<Requested>
}

let connection: Connection

const commands: RequesterCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async request({ topic, payloadBytes, inFlight, durationMs }) {
    const requests = requestsOf(connection)
    const numbering = new StreamNumbering(inFlight, payloadBytes)
    let count = 0
    let isOver = false
    async function repeat(payload: Buffer, loop: number): Promise<void> {
      while (!isOver) {
        numbering.stamp(payload, loop, 0)
        const reply = await requests.request(topic, payload)
        if (Buffer.compare(reply, payload) !== 0) throw new Error('A reply is not what was sent')
        count += 1
      }
    }
    const startNs = nowNs()
    setTimeout(() => {
      isOver = true
    }, durationMs)
    await Promise.all(makePayloads(inFlight, payloadBytes).map(repeat))
    return { count, elapsedNs: nowNs() - startNs }
  },
}

answerCommands({ ...commands })
