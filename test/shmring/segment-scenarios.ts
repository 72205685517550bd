// What can only be seen from outside of a process, because it ends in it: `node segment-scenarios.js <name>
// <empty directory> [arguments]`. Each writes what it has to say to its standard output.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { loadNative } from '../../shmring/index.js'
import { ANSWER, ATTACH_TIMEOUT_MS, openPair, openSides, serveSegment } from './segment-sides.js'

const DATA_BYTES = 1 << 20
const native = loadNative()!
const collect = (globalThis as { gc?: () => void }).gc

/** Everything that can outlive its handle: views, loans, and an attach that nobody answers. */
async function openEverything(directory: string) {
  const { segment, ring, reader } = await openSides(native, directory, DATA_BYTES)
  const claim = new Float64Array(4)
  native.ringClaim(ring, 1000, claim)
  const loan = native.ringLoan(ring, claim[0]!, 1000)!
  const views = [0, 1, 2].map((cookie) => native.readerView(reader, 0, 1000, cookie)!)
  return { segment, ring, reader, loan, views, claim }
}

/** Connections wait in its backlog, and are not answered. */
async function silentServer(path: string): Promise<void> {
  const server = createServer({ pauseOnConnect: true }).listen(path)
  await new Promise((resolve) => server.once('listening', resolve))
}

function mapsOfSegments(): number {
  return readFileSync('/proc/self/maps', 'utf8').split('/memfd:ringbus-segment').length - 1
}

/** Collects garbage until `isDone`; the test's watchdog ends it otherwise. */
async function collectUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    collect!()
    await nextTurn()
  }
}

const scenarios: Record<string, (directory: string, ...args: string[]) => Promise<void>> = {
  /** Nothing is closed, and a thread of the pool still waits. */
  async exit(directory) {
    const everything = await openEverything(directory)
    await silentServer(join(directory, 'silent'))
    void native.attach(join(directory, 'silent'), ANSWER, 300).catch(() => {})
    setImmediate(() => {
      console.log(everything.views.length)
      process.exit(7)
    })
  },

  /** The same, but the handles are closed under their views. */
  async 'exit closed'(directory) {
    const { segment, ring, reader, loan, views } = await openEverything(directory)
    native.readerClose(reader)
    native.ringClose(ring)
    native.segmentClose(segment)
    new Uint8Array(loan)[0] = 65
    console.log(mapsOfSegments(), new Uint8Array(views[2]!)[0])
    process.exit(7)
  },

  /** Closed handles unmap when the last buffer has gone, not before. */
  async 'unmap late'(directory) {
    let everything: Awaited<ReturnType<typeof openEverything>> | undefined = await openEverything(directory)
    native.segmentClose(everything.segment)
    native.readerClose(everything.reader)
    native.ringClose(everything.ring)
    const before = mapsOfSegments()
    everything = undefined
    await collectUntil(() => mapsOfSegments() === 0)
    console.log(before, mapsOfSegments())
  },

  /** Handles that nobody has closed go with their objects. */
  async 'forgotten handles'(directory) {
    await openSides(native, directory, DATA_BYTES)
    const before = mapsOfSegments()
    await collectUntil(() => mapsOfSegments() === 0)
    console.log(before, mapsOfSegments())
  },

  async 'write to a view'(directory) {
    const { views } = await openEverything(directory)
    console.log('before')
    new Uint8Array(views[0]!)[0] = 1
    console.log('after')
  },

  async 'forgotten view'(directory) {
    const { reader, views } = await openEverything(directory)
    const returned: number[] = []
    native.readerRelease(reader, 1, views[1]!)
    views.length = 0
    await collectUntil(() => {
      returned.push(...native.readerReturned(reader))
      return returned.length >= 2
    })
    for (let turn = 0; turn < 3; turn++) await collectUntil(() => true)
    console.log(returned.sort().join(), native.readerReturned(reader).length)
  },

  /** It has gone to another buffer, which still reads the memory. */
  async 'escaped view'(directory) {
    const { reader, ring, claim, views } = await openEverything(directory)
    type Transferable = ArrayBuffer & { transfer(): ArrayBuffer }
    const escaped: (ArrayBuffer | undefined)[] = [(views[0] as Transferable).transfer()]
    const isReleased = native.readerRelease(reader, 0, views[0]!)
    native.ringWrite(ring, claim[0]!, Buffer.from('seen'))
    const seen = Buffer.from(escaped[0]!).toString('latin1', 0, 4)
    const early = native.readerReturned(reader).length
    escaped.length = 0
    const returned: number[] = []
    await collectUntil(() => returned.push(...native.readerReturned(reader)) > 0)
    console.log(isReleased, seen, early, returned.join())
  },

  /** A loan that has gone elsewhere is not whole. */
  async 'escaped loan'(directory) {
    const { ring, loan } = await openEverything(directory)
    const escaped = (loan as ArrayBuffer & { transfer(): ArrayBuffer }).transfer()
    console.log(native.ringEndLoan(ring, loan), escaped.byteLength)
  },

  /** One thread after the other with everything open, ended in the middle. */
  async workers(directory) {
    for (let turn = 0; turn < 3; turn++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: `${directory}/${turn}` })
      await new Promise((resolve) => worker.once('message', resolve))
      await worker.terminate()
    }
    console.log(mapsOfSegments())
  },

  /** As many descriptors as the process may have, so that there is none left for the segment's. */
  async 'no descriptor left'(directory) {
    const path = join(directory, 'segment')
    const segment = native.segmentCreate(DATA_BYTES)
    await serveSegment(native, path, segment, () => true)
    const held: number[] = []
    const fill = () => {
      try {
        for (;;) held.push(native.duplicate(0))
      } catch {}
    }
    fill()
    // Two ends of one connection, and the third for which there is none.
    for (const fd of held.splice(-2)) native.closeDescriptor(fd)
    const codes: string[] = []
    for (let turn = 0; turn < 2; turn++) {
      const result = await native.attach(path, ANSWER, ATTACH_TIMEOUT_MS).catch((error: Error) => error)
      codes.push((result as { code?: string }).code ?? 'OK')
      while (held.length > 0 && turn === 0) native.closeDescriptor(held.pop()!)
    }
    console.log(codes.join())
    process.exit(0)
  },

  /** In a control group whose memory is limited: writes what it was refused, and what it could still have. */
  async 'memory limit'(directory, procs) {
    const { ring, segment } = await openSides(native, directory, 256 << 20)
    writeFileSync(procs!, String(process.pid))
    const claim = new Float64Array(4)
    const attempt = (byteLength: number) => {
      try {
        return native.ringClaim(ring, byteLength, claim)
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    console.log(attempt(200 << 20), attempt(1 << 20), native.segmentReservedBytes(segment))
  },

  /** Everything once, in the order of a segment's life and then a pair's; one of the points in it kills. */
  async life(directory) {
    console.log('alive')
    const { segment, ring } = await openSides(native, directory, DATA_BYTES)
    const claim = new Float64Array(4)
    native.ringClaim(ring, 1000, claim)
    native.ringWrite(ring, claim[0]!, Buffer.alloc(1000, 1))
    native.segmentPost(segment, 16)
    const pair = await openPair(native, directory, 65_536)
    native.pairWrite(pair.client, Buffer.alloc(1000, 1))
    native.pairRead(pair.broker, Buffer.alloc(1000))
    console.log('at the end')
  },
}

if (isMainThread) {
  const [name, directory, ...args] = process.argv.slice(2)
  await scenarios[name!]!(directory!, ...args)
} else {
  const directory = workerData as string
  mkdirSync(directory)
  const everything = await openEverything(directory)
  await silentServer(join(directory, 'silent'))
  void native.attach(join(directory, 'silent'), ANSWER, 300).catch(() => {})
  parentPort!.postMessage(everything.views.length)
}
