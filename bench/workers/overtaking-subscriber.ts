import { answerCommands } from '../child.js'
import { busyUntil, nowNs } from '../clock.js'
import { readSentNs, StreamCheck, topicIndexOf } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface OvertakingSubscribeOrder {
  readonly peer: PeerName
  readonly address: string
  readonly topics: readonly string[]
  readonly payloadBytesMin: number
}

export interface BusyOrder {
  readonly payloadBytes: number
  readonly backlogCount: number
  /** How long a handler is busy, and which of them: every so many. */
  readonly busyNs: number
  readonly busyEvery: number
}

/** One urgent message. */
export interface Overtaking {
  /** From its publishing to its handler. */
  readonly waitedNs: number
  /** Handlers of other messages that began meanwhile. */
  readonly handledBefore: number
  /** Of the backlog, as it was published. */
  readonly backlogLeft: number
}

export interface OvertakingSubscriberCommands {
  connect(order: OvertakingSubscribeOrder): Promise<void>
  /** Gets ready for one backlog and what is to overtake it. */
  expect(order: BusyOrder): void
  /** Resolves once everything was handled. */
  receive(nothing: null): Promise<{ faults: number; overtakings: Overtaking[] }>
  /** How far it has come. */
  state(nothing: null): { received: number; faults: number }
}

/** Of both kinds of messages: see the publisher. */
const TOPIC_COUNT = 2
const BULK_INDEX = 0

let connection: Connection
let order: BusyOrder
let check = new StreamCheck(0, 0)
let bulkStartsNs = new Float64Array(0)
let bulkCount = 0
let urgents: { sentNs: number; startNs: number }[] = []
let complete: () => void
let completed: Promise<void>

function handle(payload: Uint8Array): void {
  const startNs = nowNs()
  check.accept(payload)
  if (topicIndexOf(payload) === BULK_INDEX) {
    bulkStartsNs[bulkCount] = startNs
    bulkCount += 1
    if (bulkCount % order.busyEvery === 0) busyUntil(startNs + order.busyNs)
  } else {
    urgents.push({ sentNs: readSentNs(payload), startNs })
  }
  if (check.isComplete) complete()
}

/** How many handlers of bulk messages had begun by then. */
function bulkBegunBy(timeNs: number): number {
  let low = 0
  let high = bulkCount
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bulkStartsNs[middle]! <= timeNs) low = middle + 1
    else high = middle
  }
  return low
}

function describe({ sentNs, startNs }: { sentNs: number; startNs: number }): Overtaking {
  const begunBefore = bulkBegunBy(sentNs)
  return {
    waitedNs: startNs - sentNs,
    handledBefore: bulkBegunBy(startNs) - begunBefore,
    backlogLeft: order.backlogCount - begunBefore,
  }
}

const commands: OvertakingSubscriberCommands = {
  async connect({ peer, address, topics, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    for (const topic of topics) connection.subscribe(topic, handle)
    await connection.flush()
  },

  expect(nextOrder) {
    order = nextOrder
    check = new StreamCheck(TOPIC_COUNT, order.payloadBytes)
    bulkStartsNs = new Float64Array(order.backlogCount)
    bulkCount = 0
    urgents = []
    completed = new Promise((resolve) => {
      complete = resolve
    })
  },

  async receive() {
    await completed
    return { faults: check.faults, overtakings: urgents.map(describe) }
  },

  state() {
    return { received: check.received, faults: check.faults }
  },
}

answerCommands({ ...commands })
