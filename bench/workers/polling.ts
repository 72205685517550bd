import { answerCommands } from '../child.js'
import { nowNs } from '../clock.js'
import { makePayloads, PAYLOAD_BYTES_MIN } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

/** Where the time of sending stands, in nanoseconds; the rest of a payload is as it was made. */
const SENT_AT_OFFSET = 8

/** A wait ends that much early, since the end of a sleep is never early and often late. */
const WAKE_UP_MS = 0.05

export interface PaceOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly intervalMs: number
  readonly startNs: number
  readonly endNs: number
}

export interface VolleyOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly startNs: number
  readonly endNs: number
}

export interface PollingCommands {
  connect(order: { peer: PeerName; address: string }): Promise<void>
  listen(order: { topic: string }): Promise<void>
  /** Publishes one message after each interval; what it was held up for is not made up for. */
  pace(order: PaceOrder): Promise<{ sent: number }>
  /** One message at a time from one connection to the other and back, each as the one before has arrived. */
  volley(order: VolleyOrder): Promise<void>
  /** From publish to handler, in microseconds, of messages that were sent from then on. */
  latenciesUs(order: { sinceNs: number }): number[]
}

let peer: PeerName
let address: string
let near: Connection

const sentAtNs: number[] = []
const handledAtNs: number[] = []

function connectOne(): Promise<Connection> {
  return loadPeer(peer).then((loaded) => loaded.connect(address, { payloadBytesMin: PAYLOAD_BYTES_MIN }))
}

function stamp(payload: Buffer): void {
  payload.writeDoubleLE(nowNs(), SENT_AT_OFFSET)
}

function note(payload: Uint8Array): void {
  handledAtNs.push(nowNs())
  sentAtNs.push(new DataView(payload.buffer, payload.byteOffset).getFloat64(SENT_AT_OFFSET, true))
}

/** Sleeps to a part of a millisecond, which no timer of Node's does, and keeps no processor busy. */
function sleepUntil(dueNs: number): void {
  const waitMs = (dueNs - nowNs()) / 1e6 - WAKE_UP_MS
  if (waitMs > 0) Atomics.wait(CELL, 0, 0, waitMs)
}

const CELL = new Int32Array(new SharedArrayBuffer(4))

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const commands: PollingCommands = {
  async connect(order) {
    peer = order.peer
    address = order.address
    near = await connectOne()
    await near.flush()
  },

  async listen({ topic }) {
    near.subscribe(topic, note)
    await near.flush()
  },

  async pace({ topic, payloadBytes, intervalMs, startNs, endNs }) {
    const payload = makePayloads(1, payloadBytes)[0]!
    const intervalNs = intervalMs * 1e6
    let sent = 0
    for (let dueNs = startNs; dueNs < endNs; dueNs = Math.max(dueNs, nowNs() - intervalNs) + intervalNs) {
      sleepUntil(dueNs)
      stamp(payload)
      near.publish(topic, payload)
      sent += 1
      await turn()
    }
    await near.flush()
    return { sent }
  },

  async volley({ topic, payloadBytes, startNs, endNs }) {
    const far = await connectOne()
    const payload = makePayloads(1, payloadBytes)[0]!
    const [there, back] = [`${topic}.there`, `${topic}.back`]
    await new Promise<void>((resolve, reject) => {
      function send(from: Connection, to: string): void {
        if (nowNs() >= endNs) return resolve()
        stamp(payload)
        from.publish(to, payload)
      }
      function answering(from: Connection, to: string): (received: Uint8Array) => void {
        return (received) => {
          note(received)
          send(from, to)
        }
      }
      far.subscribe(there, answering(far, back))
      near.subscribe(back, answering(near, there))
      Promise.all([near.flush(), far.flush()]).then(() => {
        sleepUntil(startNs)
        send(near, there)
      }, reject)
    })
    await far.close()
  },

  latenciesUs({ sinceNs }) {
    return sentAtNs.flatMap((sent, index) => (sent < sinceNs ? [] : (handledAtNs[index]! - sent) / 1000))
  },
}

answerCommands({ ...commands })
