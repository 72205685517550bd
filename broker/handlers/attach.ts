import { timingSafeEqual } from 'node:crypto'
import {
  controlFrame,
  decodeBody,
  encodeBody,
  Kind,
  MAGIC,
  Offset,
  PAIR_SEGMENT,
  readU32,
} from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { type Handler, idOf, violation } from './handler.js'

/** Hands out the descriptor of a segment, or of a pair, on a connection of its own, which ends with that. [RING-4] [PAIR-2] */
export const onAttach: Handler = (hub, peer, bytes, start, length) => {
  if (peer.state !== 'greeting') throw violation('UNEXPECTED_FRAME', 'ATTACH needs a connection of its own')
  if (readU32(bytes, start + Offset.TOPIC) !== MAGIC) {
    throw violation('NOT_RINGBUS', 'The first frame does not carry the magic of ringbus')
  }
  const { client: id, token } = decodeBody(Kind.ATTACH, bytes, start, length)
  const client = provenClient(hub, peer, id, token)
  const segment = idOf(bytes, start)
  const send = segment === PAIR_SEGMENT ? grantPair(hub, client) : grantSegment(hub, client, segment)
  peer.state = 'refused'
  if (!peer.outbox.grant(send)) hub.log.warn({ client: id, segment }, 'a descriptor could not be sent')
}

function grantSegment(hub: Hub, client: Peer, id: number): (socketFd: number) => boolean {
  const { segment, writable } = hub.rings.grant(client.rings, id)
  const frame = grantFrame(id, segment.bytes)
  return (socketFd) => hub.rings.send(socketFd, frame, segment.handle, writable)
}

function grantPair(hub: Hub, client: Peer): (socketFd: number) => boolean {
  const pair = hub.pairs.grant(client)
  const frame = grantFrame(PAIR_SEGMENT, pair.bytes)
  return (socketFd) => hub.pairs.send(socketFd, frame, pair)
}

function grantFrame(segment: number, bytes: number): Buffer {
  return controlFrame(Kind.GRANT, segment, 0, encodeBody(Kind.GRANT, { bytes }))
}

/** The client that the connection says it belongs to, when token and user agree. */
function provenClient(hub: Hub, peer: Peer, id: number, token: Uint8Array): Peer {
  const client = hub.peers.get(id)
  const isToken = client?.token?.length === token.length && timingSafeEqual(client.token, token)
  if (client === undefined || !isToken || client.uid !== peer.uid || peer.credentials === undefined) {
    throw violation('ATTACH_REFUSED', `The connection does not prove that it is client ${id}'s`)
  }
  return client
}
