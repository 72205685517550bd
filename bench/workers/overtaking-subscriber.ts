import { answerCommands } from '../child.js'
import { busyUntil, nowNs } from '../clock.js'
import { readSentNs, StreamCheck } from '../payload.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface OvertakingSubscribeOrder {
  readonly peer: PeerName
  readonly address: string
  readonly topics: readonly string[]
  readonly payloadBytesMin: number
}

/** What handlers of a backlog do. */
export interface Handling {
  /** How long each is busy. */
  readonly busyUs: number
  /** The first one is busy for so long instead, in which the process reads nothing. */
  readonly stallMs?: number
}

export interface BacklogExpectation {
  readonly payloadBytes: number
  readonly backlogCount: number
  /** What is urgent has the next place in the numbering. */
  readonly bulkTopicCount: number
  readonly handling: Handling
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
  expect(order: BacklogExpectation): void
  /** Resolves once everything was handled. */
  receive(nothing: null): Promise<{ faults: number; overtakings: Overtaking[] }>
  /** How far it has come. */
  state(nothing: null): { received: number; faults: number }
}

let connection: Connection
let order: BacklogExpectation
let check = new StreamCheck(0, 0)
let bulkStartsNs = new Float64Array(0)
let bulkCount = 0
let urgents: { sentNs: number; startNs: number }[] = []
let complete: () => void
let completed: Promise<void>

function handle(payload: Uint8Array): void {
  const startNs = nowNs()
  const sequence = check.accept(payload)
  if (sequence === order.bulkTopicCount) urgents.push({ sentNs: readSentNs(payload), startNs })
  else handleBulk(startNs)
  if (check.isComplete) complete()
}

function handleBulk(startNs: number): void {
  const { busyUs, stallMs = 0 } = order.handling
  bulkStartsNs[bulkCount] = startNs
  bulkCount += 1
  busyUntil(startNs + (bulkCount === 1 ? stallMs * 1e6 : busyUs * 1e3))
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
    check = new StreamCheck(order.bulkTopicCount + 1, order.payloadBytes)
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
