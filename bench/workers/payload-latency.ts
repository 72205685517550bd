import { answerCommands } from '../child.js'
import { type DraftSource, draftSource } from '../drafts.js'
import { type EncodedHistogram, Histogram } from '../histogram.js'
import { StreamCheck, StreamNumbering } from '../payload.js'
import { type Connection, type Draft, loadPeer, type PeerName } from '../peers/index.js'

/**
 * What a time spans. `transport`: from the call of `publish`, with the payload filled, to the handler that has it.
 * `whole`: from the need of memory for a payload, over filling all of it, to the handler that has read all of it.
 */
export type Span = 'transport' | 'whole'

export interface PayloadSeries {
  readonly count: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly histogram: EncodedHistogram
}

export interface PayloadLatencyCommands {
  connect(order: { peer: PeerName; address: string; payloadBytes: number }): Promise<void>
  /** One payload at a time, there and back: each way is one value. */
  play(order: { span: Span; durationMs: number }): Promise<PayloadSeries>
}

/** A median of fewer means little. */
const COUNT_MIN = 30

/** A payload in flight, and the one before, which a client may still write. */
const BUFFERS = 2

/** Payloads that are filled are made of these in turn, so that one is not taken for the one before. */
const FILLERS = [0x5a, 0xa5] as const

interface End {
  readonly connection: Connection
  readonly nextDraft: DraftSource
  /** What this end publishes to. */
  readonly topic: string
}

let ends: readonly [End, End]
let bytesOfPayload: number
let game: Game | undefined

/** One series. Starts with the first end; each payload is answered by one the other way, until the time is over. */
class Game {
  readonly #span: Span
  readonly #endsAtMs: number
  readonly #numbering = new StreamNumbering(1, bytesOfPayload)
  readonly #check = new StreamCheck(1, bytesOfPayload)
  readonly #expected = FILLERS.map((filler) => Buffer.alloc(bytesOfPayload, filler))
  readonly #finish: (timesMs: readonly number[]) => void
  readonly #fail: (error: Error) => void
  readonly #timesMs: number[] = []
  #sentAtMs = 0

  constructor(
    span: Span,
    durationMs: number,
    finish: (timesMs: readonly number[]) => void,
    fail: (error: Error) => void,
  ) {
    this.#span = span
    this.#endsAtMs = performance.now() + durationMs
    this.#finish = finish
    this.#fail = fail
  }

  /** At once, where there is no loan to wait for. */
  send({ nextDraft, topic }: End): void {
    if (this.#span === 'whole') this.#sentAtMs = performance.now()
    const next = nextDraft(topic)
    if (next instanceof Promise) next.then((draft) => this.#publish(draft)).catch(this.#fail)
    else this.#publish(next)
  }

  receive(payload: Uint8Array, answering: End): void {
    if (!this.#isSound(payload)) {
      return this.#fail(new Error(`Payload ${this.#timesMs.length} of a series arrived damaged`))
    }
    if (this.#timesMs.length >= COUNT_MIN && performance.now() >= this.#endsAtMs) this.#finish(this.#timesMs)
    else this.send(answering)
  }

  #publish(draft: Draft): void {
    if (this.#span === 'whole') {
      draft.bytes.fill(FILLERS[this.#timesMs.length % FILLERS.length]!)
    } else {
      this.#numbering.stamp(draft.bytes, 0, 0)
      this.#sentAtMs = performance.now()
    }
    draft.publish()
  }

  /** Reads as much as the span says and takes the time, before or after. */
  #isSound(payload: Uint8Array): boolean {
    if (this.#span === 'whole') {
      const expected = this.#expected[this.#timesMs.length % FILLERS.length]!
      const isEqual = Buffer.compare(expected, payload) === 0
      this.#timesMs.push(performance.now() - this.#sentAtMs)
      return isEqual
    }
    this.#timesMs.push(performance.now() - this.#sentAtMs)
    this.#check.accept(payload)
    return this.#check.faults === 0
  }
}

const commands: PayloadLatencyCommands = {
  async connect({ peer, address, payloadBytes }) {
    const loaded = await loadPeer(peer)
    bytesOfPayload = payloadBytes
    async function openEnd(topic: string): Promise<End> {
      const connection = await loaded.connect(address, { payloadBytesMin: payloadBytes })
      return { connection, topic, nextDraft: draftSource(connection, payloadBytes, BUFFERS) }
    }
    const near = await openEnd('bench.ping')
    const far = await openEnd('bench.pong')
    ends = [near, far]
    far.connection.subscribe(near.topic, (payload) => game!.receive(payload, far))
    near.connection.subscribe(far.topic, (payload) => game!.receive(payload, near))
    await Promise.all(ends.map(({ connection }) => connection.flush()))
  },

  async play({ span, durationMs }) {
    const timesMs = await new Promise<readonly number[]>((resolve, reject) => {
      game = new Game(span, durationMs, resolve, reject)
      game.send(ends[0])
    })
    const histogram = Histogram.ofMs(timesMs)
    const at = (share: number) => histogram.percentileNs(share) / 1000
    return {
      count: histogram.count,
      p50Us: at(0.5),
      p99Us: at(0.99),
      p999Us: at(0.999),
      histogram: histogram.encode(),
    }
  },
}

answerCommands({ ...commands })
