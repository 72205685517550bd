import { answerCommands } from '../child.js'
import { type EncodedHistogram, Histogram } from '../histogram.js'
import { makePayloads, PAYLOAD_BYTES_MIN } from '../payload.js'
import { type Connection, loadPeer, type PeerName, requestsOf } from '../peers/index.js'
import { isProcessorTimeKnown, ProcessorWatch } from '../processor-time.js'

/** The process with the two connections, and the server's. */
export type ProcessKind = 'client' | 'server'

/** One series: percentiles in microseconds, and all of its times. */
export interface Percentiles {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
  readonly histogram: EncodedHistogram
}

export interface Series extends Percentiles {
  /** What the processes have run after the warm-up; undefined where the system does not keep account of it. */
  readonly processorNs: Record<ProcessKind, number> | undefined
}

export interface SeriesOrder {
  readonly serverPid: number
  readonly payloadBytes: number
  readonly warmupCount: number
  readonly count: number
}

export interface LatencyCommands {
  connect(order: { peer: PeerName; address: string }): Promise<void>
  /** One message at a time, there and back: each way is one value. */
  pingPong(order: SeriesOrder): Promise<Series>
  /** One request at a time. */
  request(order: SeriesOrder): Promise<Series>
}

let near: Connection
let far: Connection

/** Times in milliseconds, as performance.now() counts them, of which the first are left out. */
function percentiles(timesMs: Float64Array, warmupCount: number): Percentiles {
  const histogram = Histogram.ofMs(timesMs.subarray(warmupCount))
  const at = (share: number) => histogram.percentileNs(share) / 1000
  return {
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
    maxUs: histogram.maxNs / 1000,
    histogram: histogram.encode(),
  }
}

function watchProcessors(serverPid: number): ProcessorWatch<ProcessKind> | undefined {
  return isProcessorTimeKnown ? new ProcessorWatch({ client: [process.pid], server: [serverPid] }) : undefined
}

/** Sends payload after payload, each as the one before has arrived, in turn from one end and the other. */
function playPingPong(
  timesMs: Float64Array,
  payload: Buffer,
  afterOne: (played: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let played = 0
    let sentAtMs = 0
    function send(from: Connection, topic: string): void {
      payload.writeUInt32LE(played, 0)
      sentAtMs = performance.now()
      from.publish(topic, payload)
    }
    function receive(received: Uint8Array, answer: () => void): void {
      const arrivedAtMs = performance.now()
      if (Buffer.compare(received, payload) !== 0) return reject(new Error('A payload arrived damaged'))
      timesMs[played] = arrivedAtMs - sentAtMs
      played += 1
      afterOne(played)
      if (played === timesMs.length) resolve()
      else answer()
    }
    far.subscribe('bench.ping', (received) => receive(received, () => send(far, 'bench.pong')))
    near.subscribe('bench.pong', (received) => receive(received, () => send(near, 'bench.ping')))
    Promise.all([near.flush(), far.flush()]).then(() => send(near, 'bench.ping'), reject)
  })
}

const commands: LatencyCommands = {
  async connect({ peer, address }) {
    const loaded = await loadPeer(peer)
    const settings = { payloadBytesMin: PAYLOAD_BYTES_MIN }
    near = await loaded.connect(address, settings)
    far = await loaded.connect(address, settings)
  },

  async pingPong({ serverPid, payloadBytes, warmupCount, count }) {
    const timesMs = new Float64Array(warmupCount + count)
    let watch: ProcessorWatch<ProcessKind> | undefined
    await playPingPong(timesMs, makePayloads(1, payloadBytes)[0]!, (played) => {
      if (played === warmupCount) watch = watchProcessors(serverPid)
    })
    const processorNs = watch?.spentNs()
    return { ...percentiles(timesMs, warmupCount), processorNs }
  },

  async request({ serverPid, payloadBytes, warmupCount, count }) {
    const timesMs = new Float64Array(warmupCount + count)
    const payload = makePayloads(1, payloadBytes)[0]!
    requestsOf(far).echo('bench.echo', 1)
    await far.flush()
    const asking = requestsOf(near)
    let watch: ProcessorWatch<ProcessKind> | undefined
    for (let index = 0; index < timesMs.length; index++) {
      if (index === warmupCount) watch = watchProcessors(serverPid)
      payload.writeUInt32LE(index, 0)
      const sentAtMs = performance.now()
      const reply = await asking.request('bench.echo', payload)
      timesMs[index] = performance.now() - sentAtMs
      if (Buffer.compare(reply, payload) !== 0) throw new Error('A reply arrived damaged')
    }
    const processorNs = watch?.spentNs()
    return { ...percentiles(timesMs, warmupCount), processorNs }
  },
}

answerCommands({ ...commands })
