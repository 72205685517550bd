import type { Bus } from '../../bus.js'
import { NS_PER_MS, nowNs } from '../clock.js'
import { checkPayload, newPayload, stampPayload } from '../stream-payload.js'

export interface AskOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly inFlight: number
  readonly durationMs: number
}

export interface Asked {
  readonly elapsedNs: number
  /** Of each request, to its reply. */
  readonly timesNs: Float64Array
}

/** Answers with what it is asked. */
export async function serveEcho(bus: Bus, topic: string, concurrency: number): Promise<void> {
  await bus.serve(topic, (request) => request.bytes, { concurrency }).ready
}

/** Asks for so long, with so many requests under way. Throws a StreamFault when a reply is not that of its request. */
export async function ask(bus: Bus, { topic, payloadBytes, inFlight, durationMs }: AskOrder): Promise<Asked> {
  const timesNs: number[] = []
  const startNs = nowNs()
  const endsAtNs = startNs + durationMs * NS_PER_MS
  let nextNumber = 0

  async function askInTurn(): Promise<void> {
    const payload = newPayload(payloadBytes)
    let sentNs = nowNs()
    do {
      const number = nextNumber
      nextNumber += 1
      stampPayload(payload, number)
      const reply = await bus.request(topic, payload)
      const repliedNs = nowNs()
      timesNs.push(repliedNs - sentNs)
      checkPayload(reply.bytes, number, payloadBytes)
      sentNs = repliedNs
    } while (sentNs < endsAtNs)
  }

  await Promise.all(Array.from({ length: inFlight }, askInTurn))
  return { elapsedNs: nowNs() - startNs, timesNs: Float64Array.from(timesNs) }
}
