import {
  CAPABILITY_PAIR,
  controlFrame,
  encodeBody,
  Kind,
  PAIR_LAYOUT_VERSION,
  RingbusError,
} from '../../protocol/index.js'
import type { NativeHost, PairHandle } from '../../shmring/index.js'
import type { Logger } from '../logger.js'

export type PairLimits = {
  readonly pairBytes: number
  readonly pairAfterBytes: number
  readonly pairsMax: number
}

/** The client that a pair is for. */
export interface PairClient {
  readonly id: number
  readonly channel: { readonly carriedBytes: number }
  readonly outbox: { notify(frame: Buffer): void }
  usesPairs: boolean
  pair: Pair | undefined
}

/**
 * A pair of rings that is to carry what the socket of one client carries.
 *
 *   offered ──(its descriptor is sent)──> granted ──PAIRED──> used
 *   any of them ──(hang-up)──> gone       offered, granted ──DECLINE──> gone
 */
export class Pair {
  readonly handle: PairHandle
  readonly bytes: number
  state: 'offered' | 'granted' | 'used' = 'offered'

  constructor(handle: PairHandle, bytes: number) {
    this.handle = handle
    this.bytes = bytes
  }
}

/** Every pair of the broker. */
export class PairTable {
  readonly #native: NativeHost | undefined
  readonly #limits: PairLimits
  readonly #log: Logger
  readonly #pairs = new Set<Pair>()

  constructor(native: NativeHost | undefined, limits: PairLimits, log: Logger) {
    this.#native = native
    this.#limits = limits
    this.#log = log
  }

  /** Pairs that carry a stream, of all that there are; and the memory of those, in bytes. */
  describe(): Record<string, unknown> {
    let used = 0
    let bytes = 0
    for (const pair of this.#pairs) {
      if (pair.state === 'used') used += 1
      bytes += 2 * pair.bytes
    }
    return { count: this.#pairs.size, used, bytes }
  }

  /** Offers a pair to a client whose socket has carried enough to be worth it. [PAIR-2] */
  consider(client: PairClient): void {
    const { pairBytes, pairAfterBytes, pairsMax } = this.#limits
    if (client.channel.carriedBytes < pairAfterBytes || this.#pairs.size >= pairsMax) return
    client.pair = this.#create(client, pairBytes)
    if (client.pair === undefined) client.usesPairs = false
    else client.outbox.notify(controlFrame(Kind.PAIR, 0, 0, encodeBody(Kind.PAIR, { bytes: pairBytes })))
  }

  /** What carries the client's stream from now on. Throws UNEXPECTED_FRAME when it was not given a pair. [PAIR-3] */
  paired({ pair }: PairClient): Pair {
    if (pair?.state !== 'granted') {
      throw new RingbusError('UNEXPECTED_FRAME', 'PAIRED came without a pair that was granted')
    }
    pair.state = 'used'
    return pair
  }

  /** The client does without a pair: it could not map the one that it was offered. */
  decline(client: PairClient, reason: string): void {
    if (client.pair === undefined || client.pair.state === 'used') {
      throw new RingbusError('SEGMENT_UNKNOWN', 'The client has no pair to decline')
    }
    this.#log.info({ client: client.id, reason }, 'a client could not map a pair of rings')
    this.close(client)
    client.usesPairs = false
  }

  /** What a second connection of the client may be given. Throws ATTACH_REFUSED. [PAIR-2] */
  grant({ pair }: PairClient): Pair {
    if (pair?.state === 'offered') return pair
    throw new RingbusError('ATTACH_REFUSED', 'No pair is offered to this client')
  }

  /** Sends the descriptor along with a frame; false: the socket does not take it. */
  send(socketFd: number, frame: Buffer, pair: Pair): boolean {
    try {
      if (this.#native!.pairSend(socketFd, frame, pair.handle) !== frame.length) return false
      pair.state = 'granted'
      return true
    } catch (error) {
      this.#log.warn({ error: (error as Error).message }, 'a descriptor was not sent')
      return false
    }
  }

  /** The client is gone, or does without a pair. */
  close(client: PairClient): void {
    const { pair } = client
    if (pair === undefined) return
    client.pair = undefined
    this.#pairs.delete(pair)
    // What carries a stream closes the pair itself, at the end.
    if (pair.state !== 'used') this.#native!.pairClose(pair.handle)
  }

  #create(client: PairClient, bytes: number): Pair | undefined {
    try {
      const pair = new Pair(this.#native!.pairCreate(bytes), bytes)
      this.#pairs.add(pair)
      return pair
    } catch (error) {
      this.#log.warn({ client: client.id, bytes, error: (error as Error).message }, 'no pair of rings')
      return undefined
    }
  }
}

/** Whether a HELLO says that its client can use a pair of the layout that there is. [PAIR-1] */
export function usesPairs(capabilities: Record<string, unknown> | undefined): boolean {
  return capabilities?.[CAPABILITY_PAIR] === PAIR_LAYOUT_VERSION
}
