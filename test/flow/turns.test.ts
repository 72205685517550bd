import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { parseSettings } from '../../broker/config.js'
import type { Channel } from '../../broker/egress/channel.js'
import { Lane } from '../../broker/egress/lane.js'
import { Outbox } from '../../broker/egress/outbox.js'
import { Hub } from '../../broker/hub.js'
import { SILENT_LOGGER } from '../../broker/logger.js'
import { Permissions } from '../../broker/permissions/permissions.js'
import { ClientGate } from '../../broker/rings/client-gate.js'
import { Route } from '../../broker/routing/route.js'
import { FrameRun, Kind, messageFrame, Offset, readU32 } from '../../protocol/index.js'

const KIB = 1024

/** What one client is sent in a row: sixteen writes, each of 64 KiB and what a lane's turn of 16 KiB goes beyond. */
const ROW_BYTES = 16 * (64 + 16) * KIB

/** What is written to whom, in order. */
type Writes = [client: string, bytes: number][]

class Stage {
  readonly writes: Writes = []
  readonly hub: Hub
  readonly #topic = new Route('data')

  constructor() {
    const permissions = new Permissions(undefined, process.getuid!())
    this.hub = new Hub(parseSettings({}, 'the test').limits, permissions, SILENT_LOGGER, undefined)
    this.hub.topics.assign(this.#topic)
  }

  /** A client that reads everything at once, so that nothing but the broker's own turns ends what it is sent. */
  client(name: string): Outbox {
    const channel: Channel = {
      write: (bytes) => {
        this.writes.push([name, bytes.length])
        return true
      },
      grant: () => false,
      takesPair: false,
      carriedBytes: 0,
      pair: () => {},
      end: () => {},
      destroy: () => {},
      onWritable: () => {},
    }
    const rings = () => {
      throw new Error('there are none')
    }
    const gate = new ClientGate(this.hub.rings, rings)
    const events = { overflowed: rings, writable: () => {} }
    return new Outbox(channel, this.hub.topics, this.hub, events, gate, 2 ** 30)
  }

  frame(payloadBytes: number): Buffer {
    return messageFrame({ kind: Kind.MESSAGE, topic: this.#topic.id }, Buffer.alloc(payloadBytes))
  }

  /** A lane of this client with so much queued, which it may send from now on. */
  backlog(outbox: Outbox, messages: number): Lane {
    const lane = new Lane(1, 0)
    const frame = this.frame(KIB)
    for (let message = 0; message < messages; message++) {
      outbox.enqueue(lane, FrameRun.of(frame, 0, readU32(frame, Offset.LENGTH)))
      this.hub.flush()
    }
    lane.credit = 2 ** 30
    outbox.resume(lane)
    return lane
  }

  send(outbox: Outbox, lane: Lane): void {
    const frame = this.frame(16)
    outbox.sendNow(lane, this.#topic, FrameRun.of(frame, 0, readU32(frame, Offset.LENGTH)))
  }

  /** Bytes that were written to a client before the first write to another one. */
  bytesBefore(client: string, other: string): number {
    const end = this.writes.findIndex(([name]) => name === other)
    if (end < 0) return Number.POSITIVE_INFINITY
    return this.writes.slice(0, end).reduce((sum, [name, bytes]) => sum + (name === client ? bytes : 0), 0)
  }
}

test('a client with a large backlog, and that reads it as fast as it is sent, does not hold up another one', async (t) => {
  const stage = new Stage()
  const [fat, small] = [stage.client('fat'), stage.client('small')]
  const lane = stage.backlog(fat, 8 * KIB)
  stage.send(small, new Lane(1, 2 ** 30))
  stage.hub.flush()
  t.true(
    stage.bytesBefore('fat', 'small') <= ROW_BYTES,
    `${stage.bytesBefore('fat', 'small')} bytes went first`,
  )
  while (lane.queuedMessages > 0) await nextTurn()
})

test('two clients with large backlogs take turns', async (t) => {
  const stage = new Stage()
  const lanes = ['one', 'other'].map((name) => stage.backlog(stage.client(name), 8 * KIB))
  stage.hub.flush()
  while (lanes.some(({ queuedMessages }) => queuedMessages > 0)) await nextTurn()
  let ahead = 0
  let aheadMax = 0
  for (const [name, bytes] of stage.writes) {
    ahead += name === 'one' ? bytes : -bytes
    aheadMax = Math.max(aheadMax, Math.abs(ahead))
  }
  t.true(aheadMax <= ROW_BYTES, `one was ${aheadMax} bytes ahead`)
})
