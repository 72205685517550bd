import { CAPABILITY_POLL, controlFrame, Kind } from '../../protocol/index.js'
import type { Peer } from '../peers/peer.js'
import type { PollingClient } from './places.js'
import { loopName } from './polling.js'

/** A client that said it would poll. [WIRE-2.9] */
class PollingPeer implements PollingClient {
  readonly loop: string
  readonly #peer: Peer
  #mayPoll = false

  constructor(peer: Peer, thread: number) {
    this.loop = loopName(peer.pid, thread)
    this.#peer = peer
  }

  get mayPoll(): boolean {
    return this.#mayPoll
  }

  permit(): void {
    this.#mayPoll = true
    this.#peer.outbox.notify(controlFrame(Kind.POLL, 0, 1))
  }
}

/** What a HELLO says about polling; undefined: nothing. */
export function pollingPeer(
  peer: Peer,
  capabilities: Record<string, unknown> | undefined,
): PollingClient | undefined {
  const thread = capabilities?.[CAPABILITY_POLL]
  if (!Number.isSafeInteger(thread) || (thread as number) < 0) return undefined
  return new PollingPeer(peer, thread as number)
}
