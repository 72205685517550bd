import { type ErrorCode, Offset, RingbusError, readU32, TOPIC_BYTES_MAX } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import type { DeniedRoute } from '../permissions/denied-route.js'
import type { Route } from '../routing/route.js'

/**
 * Handles one whole, well-formed frame: `length` bytes from `start`. It throws a RingbusError when the frame
 * breaks the protocol, which ends the connection; what is merely refused is answered with `peer.refuse`.
 */
export type Handler = (hub: Hub, peer: Peer, bytes: Buffer, start: number, length: number) => void

/** What the alias of a frame stands for. [TOPIC-7] */
export function routeOf(peer: Peer, bytes: Buffer, start: number): Route | DeniedRoute {
  const alias = readU32(bytes, start + Offset.TOPIC)
  const route = peer.aliases[alias]
  if (route === undefined)
    throw new RingbusError('ALIAS_UNBOUND', `Alias ${alias} was never bound to a topic`)
  return route
}

export function idOf(bytes: Buffer, start: number): number {
  return readU32(bytes, start + Offset.ID)
}

/** Ends the connection of a client that breaks the protocol. */
export function violation(code: ErrorCode, message: string): RingbusError {
  return new RingbusError(code, message)
}

/** Code units of a client's text that an error and the log repeat. A topic that is not too long fits. */
const QUOTED_UNITS_MAX = TOPIC_BYTES_MAX

/** What a client sent, as an error quotes it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_UNITS_MAX ? `${text.slice(0, QUOTED_UNITS_MAX)}…` : text)
}
