import { makePayloads } from './payload.js'
import type { Connection, Draft } from './peers/index.js'

/** Gives the memory for the next payload to a topic: a loan of the system, or one of the publisher's own buffers. */
export type DraftSource = (topic: string) => Draft | Promise<Draft>

/** `buffers` is how many payloads must stay as they are after they were published. */
export function draftSource(connection: Connection, payloadBytes: number, buffers: number): DraftSource {
  if (connection.loan !== undefined) return (topic) => connection.loan!(topic, payloadBytes)
  const drafts = makePayloads(buffers, payloadBytes).map((bytes) => new BufferDraft(connection, bytes))
  let turn = 0
  return (topic) => {
    const draft = drafts[turn]!
    turn = (turn + 1) % drafts.length
    draft.topic = topic
    return draft
  }
}

class BufferDraft implements Draft {
  readonly #connection: Connection
  readonly bytes: Buffer
  topic = ''

  constructor(connection: Connection, bytes: Buffer) {
    this.#connection = connection
    this.bytes = bytes
  }

  publish(): boolean {
    return this.#connection.publish(this.topic, this.bytes)
  }
}
