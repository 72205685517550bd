import { answerCommands } from '../child.js'
import { draftSource } from '../drafts.js'
import { StreamCheck, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface MemoryCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Subscribes, and holds every payload until it is told to go on. */
  hold(order: { topic: string }): Promise<void>
  /** Gets ready for a burst of payloads; the first handler then waits. */
  expect(order: { payloadBytes: number }): void
  /** Handles all of a burst; resolves once they were so many, all sound. */
  release(order: { count: number }): Promise<void>
  /** Publishes without waiting for anybody. */
  burst(order: { topic: string; payloadBytes: number; count: number }): Promise<void>
}

/** Programs write all of what they publish. */
const FILLER = 0x5a

let connection: Connection
let check = new StreamCheck(0, 0)
let letGo: () => void = () => {}
let held: Promise<void>
let handled: () => void = () => {}

async function handle(payload: Uint8Array): Promise<void> {
  await held
  // All of it is read, as a program would.
  check.accept(Buffer.from(payload))
  handled()
}

const commands: MemoryCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async hold({ topic }) {
    connection.subscribe(topic, handle)
    await connection.flush()
  },

  expect({ payloadBytes }) {
    check = new StreamCheck(1, payloadBytes)
    held = new Promise((resolve) => {
      letGo = resolve
    })
  },

  release({ count }) {
    return new Promise((resolve, reject) => {
      handled = () => {
        if (check.faults > 0) reject(new Error('A payload arrived damaged'))
        else if (check.received === count) resolve()
      }
      letGo()
    })
  },

  async burst({ topic, payloadBytes, count }) {
    const numbering = new StreamNumbering(1, payloadBytes)
    const nextDraft = draftSource(connection, payloadBytes, 1)
    for (let sent = 0; sent < count; sent++) {
      const draft = await nextDraft(topic)
      draft.bytes.fill(FILLER)
      numbering.stamp(draft.bytes, 0, 0)
      if (!draft.publish()) await connection.ready(topic)
    }
    await connection.flush()
  },
}

answerCommands({ ...commands })
