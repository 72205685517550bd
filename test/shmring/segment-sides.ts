// A segment's three sides, and a pair's two ends, in one process. Without the test runner, for the scenarios run outside of it.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import {
  descriptorOf,
  type NativeHost,
  type PairHandle,
  type ReaderHandle,
  type RingHandle,
  type SegmentHandle,
} from '../../shmring/index.js'

/** Long enough for any machine, short of the watchdog of the tests. */
export const ATTACH_TIMEOUT_MS = 60_000

/** An answer of eight bytes, as `attach` expects it: a frame that begins with its length. */
export const ANSWER = Buffer.from([8, 0, 0, 0, 1, 2, 3, 4])

/** Serves the descriptor of a segment to whoever connects and says something; hangs up afterwards. */
export async function serveSegment(
  native: NativeHost,
  path: string,
  segment: SegmentHandle,
  isWritable: () => boolean,
): Promise<{ close(): void }> {
  const server = createServer((socket) => {
    socket.once('data', () => {
      native.segmentSend(descriptorOf(socket)!, ANSWER, segment, isWritable())
      socket.end()
    })
  })
  server.listen(path)
  await once(server, 'listening')
  return server
}

/** A segment with its three sides, all in this process; `attach` has carried both descriptors. */
export interface Sides {
  readonly segment: SegmentHandle
  readonly ring: RingHandle
  readonly reader: ReaderHandle
}

/** In `directory`, which is the caller's to remove, is a socket for the time that it takes. */
export async function openSides(native: NativeHost, directory: string, dataBytes: number): Promise<Sides> {
  const path = join(directory, 'segment')
  const segment = native.segmentCreate(dataBytes)
  let isWritable = true
  const server = await serveSegment(native, path, segment, () => isWritable)
  const attach = async () => (await native.attach(path, Buffer.from('please'), ATTACH_TIMEOUT_MS)).fd
  const ring = native.ringMap(await attach(), dataBytes)
  native.segmentSeal(segment)
  isWritable = false
  const reader = native.readerMap(await attach(), dataBytes)
  server.close()
  return { segment, ring, reader }
}

/** Serves the descriptor of a pair to whoever connects and says something, once; returns what came. */
export async function fetchPair(native: NativeHost, directory: string, pair: PairHandle): Promise<number> {
  const path = join(directory, 'pair')
  const server = createServer((socket) => {
    socket.once('data', () => {
      native.pairSend(descriptorOf(socket)!, ANSWER, pair)
      socket.end()
    })
  })
  server.listen(path)
  await once(server, 'listening')
  const { fd } = await native.attach(path, Buffer.from('please'), ATTACH_TIMEOUT_MS)
  server.close()
  return fd
}

/** Both ends of a pair; `attach` has carried the descriptor. */
export async function openPair(
  native: NativeHost,
  directory: string,
  ringBytes: number,
): Promise<{ readonly broker: PairHandle; readonly client: PairHandle }> {
  const broker = native.pairCreate(ringBytes)
  const client = native.pairMap(await fetchPair(native, directory, broker), ringBytes)
  return { broker, client }
}
