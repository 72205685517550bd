import { answerCommands } from '../child.js'
import { type Connection, loadPeer, type PeerName, requestsOf } from '../peers/index.js'

export interface RespondOrder {
  readonly peer: PeerName
  readonly address: string
  readonly topic: string
  readonly payloadBytesMin: number
  /** Requests that come at the same time. */
  readonly inFlight: number
}

export interface ResponderCommands {
  /** Answers each request with its own payload from then on. */
  respond(order: RespondOrder): Promise<void>
}

let connection: Connection

const commands: ResponderCommands = {
  async respond({ peer, address, topic, payloadBytesMin, inFlight }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    requestsOf(connection).echo(topic, inFlight)
    await connection.flush()
  },
}

answerCommands({ ...commands })
