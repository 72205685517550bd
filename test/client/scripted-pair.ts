import type { ExecutionContext } from 'ava'
import { controlFrame, encodeBody, Kind, PAIR_SEGMENT } from '../../protocol/index.js'
import { descriptorOf, loadNative, type PairHandle } from '../../shmring/index.js'
import type { ScriptedBroker } from './scripted-broker.js'

const native = loadNative()!

/** A pair of a scripted broker: real memory, which a client fetches and maps as it does a broker's. */
export class ScriptedPair {
  readonly bytes: number
  readonly #handle: PairHandle
  readonly #broker: ScriptedBroker
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext, broker: ScriptedBroker, bytes = 64 * 1024) {
    this.#t = t
    this.#broker = broker
    this.bytes = bytes
    this.#handle = native.pairCreate(bytes)
    t.teardown(() => native.pairClose(this.#handle))
  }

  /** The frame that offers it. */
  offer(bytes = this.bytes): Buffer {
    return controlFrame(Kind.PAIR, 0, 0, encodeBody(Kind.PAIR, { bytes }))
  }

  /** Takes the next connection, which must ask for the pair, and gives it the descriptor. */
  async grant(bytes = this.bytes): Promise<void> {
    const peer = await this.#broker.accept()
    await peer.expect('ATTACH', { id: PAIR_SEGMENT })
    const frame = controlFrame(Kind.GRANT, PAIR_SEGMENT, 0, encodeBody(Kind.GRANT, { bytes }))
    this.#t.is(native.pairSend(descriptorOf(peer.socket)!, frame, this.#handle), frame.length)
    peer.socket.end()
  }

  /** Writes to the client's ring; it must have room. True: the client is to be rung. */
  write(...frames: Buffer[]): boolean {
    const bytes = Buffer.concat(frames)
    const answer = native.pairWrite(this.#handle, bytes)
    this.#t.is(answer < 0 ? ~answer : answer, bytes.length)
    return answer < 0
  }

  /** What the client has written. */
  read(): Buffer {
    const target = Buffer.alloc(this.bytes)
    const answer = native.pairRead(this.#handle, target)
    return target.subarray(0, answer < 0 ? ~answer : answer)
  }
}

export function paired(): Buffer {
  return controlFrame(Kind.PAIRED, 0, 0)
}
