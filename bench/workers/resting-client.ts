import { answerCommands } from '../child.js'
import { makePayloads, StreamCheck, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface RestOrder {
  readonly peer: PeerName
  readonly address: string
  readonly topic: string
  readonly payloadBytes: number
  /** Each has a subscription. */
  readonly connections: number
}

export interface RestingClientCommands {
  connect(order: RestOrder): Promise<void>
  /** Publishes so many messages to the topic of the subscriptions, with a connection for that alone. */
  burst(order: { count: number }): Promise<void>
  /** Resolves once every connection of this process has had all of a burst, sound. */
  receive(nothing: null): Promise<void>
}

let order: RestOrder
let bursts: Promise<void>[]

async function open(): Promise<Connection> {
  const { peer, address, payloadBytes } = order
  return await (await loadPeer(peer)).connect(address, { payloadBytesMin: payloadBytes })
}

/** Subscribes a connection, and resolves once a burst has come. */
function receiveBurst(connection: Connection): Promise<void> {
  const check = new StreamCheck(1, order.payloadBytes)
  return new Promise((resolve, reject) => {
    connection.subscribe(order.topic, (payload) => {
      check.accept(payload)
      if (check.faults > 0) reject(new Error('A message was missing, out of order or damaged'))
      else if (check.isComplete) resolve()
    })
  })
}

const commands: RestingClientCommands = {
  async connect(nextOrder) {
    order = nextOrder
    const connections = await Promise.all(Array.from({ length: order.connections }, open))
    bursts = connections.map(receiveBurst)
    for (const connection of connections) await connection.flush()
  },

  async burst({ count }) {
    const { topic, payloadBytes } = order
    const connection = await open()
    const numbering = new StreamNumbering(1, payloadBytes)
    for (const [index, payload] of makePayloads(count, payloadBytes).entries()) {
      numbering.stamp(payload, 0, index + 1 === count ? count : 0)
      if (!connection.publish(topic, payload)) await connection.ready(topic)
    }
    await connection.flush()
    await connection.close()
  },

  async receive() {
    await Promise.all(bursts)
  },
}

answerCommands({ ...commands })
