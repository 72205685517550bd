import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Link } from '../../client/link/link.js'
import { openSocket } from '../../client/link/socket.js'
import { native } from '../broker/ring-client.js'
import { type PairEnds, pairFor } from '../shmring/pair-fixtures.js'
import { socketIn, until } from './fixtures.js'

const RING_BYTES = 64 * 1024

interface Stage {
  readonly link: Link
  /** The broker's end of the socket, which nobody reads until the test does. */
  readonly peer: Socket
  readonly ends: PairEnds
  /** How often everything has been passed on. */
  drainedCount: number
}

async function stageFor(t: ExecutionContext): Promise<Stage> {
  const path = socketIn(t)
  const server = createServer({ pauseOnConnect: true }).listen(path)
  await once(server, 'listening')
  const [connected, [peer]] = await Promise.all([openSocket(path), once(server, 'connection')])
  const ends = await pairFor(t, native, RING_BYTES)
  const link = new Link(connected, {
    frame: () => undefined,
    readEnd: () => {},
    drained: () => {
      stage.drainedCount += 1
    },
    lost: () => {},
  })
  const stage: Stage = { link, peer, ends, drainedCount: 0 }
  t.teardown(() => {
    link.destroy()
    peer.destroy()
    server.close()
  })
  return stage
}

/** Reads so much of the ring as is there, and rings whoever waits for room; returns how many bytes that were. */
function readRing({ ends, peer }: Stage): number {
  const answer = native.pairRead(ends.broker, Buffer.alloc(RING_BYTES))
  if (answer < 0) peer.write('!')
  return answer < 0 ? ~answer : answer
}

test('what was lent is given back once neither the socket nor the pair has any of it', async (t) => {
  const stage = await stageFor(t)
  const { link, peer, ends } = stage
  const filler = Buffer.alloc(4 * 1024 * 1024)
  t.false(link.borrow(filler))
  link.pair(ends.client, RING_BYTES)
  link.paired()
  t.false(link.borrow(Buffer.alloc(3 * RING_BYTES)))
  let socketBytes = 0
  peer.on('data', (chunk) => {
    socketBytes += chunk.length
  })
  peer.resume()
  // All of it, and PAIRED.
  await until(() => socketBytes === filler.length + 16)
  await new Promise(setImmediate)
  t.is(link.queuedBytes, 2 * RING_BYTES)
  t.is(stage.drainedCount, 0)
  let ringBytes = 0
  await until(() => {
    ringBytes += readRing(stage)
    return ringBytes === 3 * RING_BYTES
  })
  t.is(link.queuedBytes, 0)
  t.is(stage.drainedCount, 1)
})

test('a link that ends sends what waits for the pair first', async (t) => {
  const stage = await stageFor(t)
  const { link, peer, ends } = stage
  peer.resume()
  link.pair(ends.client, RING_BYTES)
  link.paired()
  t.false(link.borrow(Buffer.alloc(2 * RING_BYTES)))
  let isOver = false
  peer.on('end', () => {
    isOver = true
  })
  link.end()
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  t.false(isOver)
  let ringBytes = 0
  await until(() => {
    ringBytes += readRing(stage)
    return isOver
  })
  t.is(ringBytes, 2 * RING_BYTES)
})
