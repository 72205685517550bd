import type { ExecutionContext } from 'ava'
import { controlFrame, encodeBody, Kind, SegmentRole } from '../../protocol/index.js'
import { descriptorOf, loadNative, type SegmentHandle } from '../../shmring/index.js'
import type { Received, ScriptedBroker } from './scripted-broker.js'

const native = loadNative()!

/** A segment of a scripted broker: real memory, which clients fetch and map as they do a broker's. */
export class ScriptedSegment {
  readonly id: number
  readonly bytes: number
  readonly #handle: SegmentHandle
  readonly #broker: ScriptedBroker
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext, broker: ScriptedBroker, id: number, bytes = 256 * 1024) {
    this.#t = t
    this.#broker = broker
    this.id = id
    this.bytes = bytes
    this.#handle = native.segmentCreate(bytes)
    t.teardown(() => native.segmentClose(this.#handle))
  }

  /** The frame that offers it. */
  offer(role: 'owner' | 'reader'): Buffer {
    const body = encodeBody(Kind.SEGMENT, { bytes: this.bytes })
    return controlFrame(
      Kind.SEGMENT,
      this.id,
      role === 'owner' ? SegmentRole.OWNER : SegmentRole.READER,
      body,
    )
  }

  /** Takes the next connection, which must ask for this segment, and gives it the descriptor. */
  async grant(access: 'writable' | 'readable', bytes = this.bytes): Promise<Received> {
    const peer = await this.#broker.accept()
    const attach = await peer.expect('ATTACH', { id: this.id })
    const frame = controlFrame(Kind.GRANT, this.id, 0, encodeBody(Kind.GRANT, { bytes }))
    const fd = descriptorOf(peer.socket)!
    this.#t.is(native.segmentSend(fd, frame, this.#handle, access === 'writable'), frame.length)
    peer.socket.end()
    return attach
  }

  /** The owner has mapped it: readers may have it from now on. */
  seal(): void {
    native.segmentSeal(this.#handle)
  }

  /** Gives granules back; true when the owner is to be sent SPACE. */
  post(granules: number): boolean {
    return native.segmentPost(this.#handle, granules)
  }

  read(offset: number, byteLength: number): Buffer {
    const target = Buffer.alloc(byteLength)
    native.segmentRead(this.#handle, offset, target)
    return target
  }
}
