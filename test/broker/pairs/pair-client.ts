import { closeSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import {
  CAPABILITY_PAIR,
  CAPABILITY_RING,
  controlFrame,
  Kind,
  PAIR_LAYOUT_VERSION,
  PAIR_SEGMENT,
  RING_LAYOUT_VERSION,
} from '../../../protocol/index.js'
import type { PairHandle } from '../../../shmring/index.js'
import { storeWord } from '../../shmring/pair-fixtures.js'
import { native, RingClient } from '../ring-client.js'
import { connected } from '../transcript.js'

export const PAIR_CAPABILITIES = {
  [CAPABILITY_RING]: RING_LAYOUT_VERSION,
  [CAPABILITY_PAIR]: PAIR_LAYOUT_VERSION,
}

const BELL = Buffer.from('!')

export function paired(): Buffer {
  return controlFrame(Kind.PAIRED, 0, 0)
}

/** A client whose stream may move to a pair of rings. It looks there whenever the socket brings something. */
export class PairClient extends RingClient {
  /** Bytes by the socket behind the broker's PAIRED. */
  bells = 0
  ringBytes = 0
  /** How many bytes wait for room in the ring. */
  unwrittenBytes = 0
  #pair: PairHandle | undefined
  #file = -1
  #writesToRing = false
  #readsRing = false
  #isPaused = false
  #unwritten: Buffer[] = []

  /** Connects and greets. */
  static override async open(
    t: ExecutionContext,
    path: string,
    name = 'pair',
    capabilities: object = PAIR_CAPABILITIES,
  ): Promise<PairClient> {
    const client = new PairClient(t, path, await connected(t, path))
    t.teardown(() => client.unmap())
    await client.greet(name, capabilities)
    return client
  }

  /** The next frame offers a pair, whose size it returns. */
  async expectPair(): Promise<number> {
    const { body } = await this.expect('PAIR', { topic: 0, id: 0, flags: 0 })
    this.ringBytes = body['bytes'] as number
    return this.ringBytes
  }

  /** Fetches and maps the pair that it was offered. */
  async mapPair(): Promise<void> {
    const { fd } = await this.fetch(PAIR_SEGMENT)
    this.#file = native.duplicate(fd)
    this.#pair = native.pairMap(fd, this.ringBytes)
  }

  /** Sends PAIRED, or what is left of it, and bytes behind it; what is sent from now on goes by the ring. */
  sendPaired(from = 0, behind = Buffer.alloc(0)): void {
    this.socket.write(Buffer.concat([paired().subarray(from), behind]))
    this.#writesToRing = true
  }

  /** The next frame is PAIRED: what comes from now on comes by the ring. */
  async expectPaired(): Promise<void> {
    await this.expect('PAIRED', { topic: 0, id: 0, flags: 0 })
  }

  /** Has its stream moved to the pair that it is offered next. */
  async usePair(): Promise<void> {
    await this.expectPair()
    await this.mapPair()
    this.sendPaired()
    await this.expectPaired()
  }

  /** Stores a word of ring 0 or 1, whoever's it is. */
  store(ring: 0 | 1, word: number, value: number): void {
    storeWord(this.#file, ring, word, value)
  }

  ring(): void {
    this.socket.write(BELL)
  }

  override send(...frames: Uint8Array[]): void {
    if (!this.#writesToRing) return super.send(...frames)
    for (const frame of frames) {
      this.#unwritten.push(Buffer.from(frame))
      this.unwrittenBytes += frame.length
    }
    this.#write()
  }

  override pause(): void {
    this.#isPaused = true
    if (!this.#readsRing) super.pause()
  }

  override resume(): void {
    this.#isPaused = false
    super.resume()
    if (this.#readsRing) this.#look()
  }

  /** Gives up its part of the memory. */
  unmap(): void {
    if (this.#pair === undefined) return
    native.pairClose(this.#pair)
    closeSync(this.#file)
    this.#pair = undefined
  }

  protected override came(chunk: Buffer): void {
    if (this.#readsRing) this.bells += chunk.length
    else this.readStream(chunk)
    if (this.#pair !== undefined) this.#look()
  }

  protected override pairedCame(): void {
    this.#readsRing = true
  }

  #look(): void {
    if (this.#writesToRing) this.#write()
    while (this.#readsRing && !this.#isPaused && this.#pair !== undefined) {
      const target = Buffer.alloc(10_000)
      const count = this.#rung(native.pairRead(this.#pair, target))
      if (count > 0) this.readStream(target.subarray(0, count))
      else if (native.pairRest(this.#pair)) return
    }
  }

  #write(): void {
    while (this.#unwritten.length > 0 && this.#pair !== undefined) {
      const bytes = this.#unwritten[0]!
      const count = this.#rung(native.pairWrite(this.#pair, bytes))
      this.unwrittenBytes -= count
      if (count < bytes.length) {
        this.#unwritten[0] = bytes.subarray(count)
        return
      }
      this.#unwritten.shift()
    }
  }

  #rung(answer: number): number {
    if (answer >= 0) return answer
    this.ring()
    return ~answer
  }
}
