import { timingSafeEqual } from 'node:crypto'
import { controlFrame, decodeBody, encodeBody, Kind, MAGIC, Offset, readU32 } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { type Handler, idOf, violation } from './handler.js'

/** Hands out the descriptor of a segment on a connection of its own, which ends with that. [RING-4] */
export const onAttach: Handler = (hub, peer, bytes, start, length) => {
  if (peer.state !== 'greeting') throw violation('UNEXPECTED_FRAME', 'ATTACH needs a connection of its own')
  if (readU32(bytes, start + Offset.TOPIC) !== MAGIC) {
    throw violation('NOT_RINGBUS', 'The first frame does not carry the magic of ringbus')
  }
  const { client: id, token } = decodeBody(Kind.ATTACH, bytes, start, length)
  const client = provenClient(hub, peer, id, token)
  const { segment, writable } = hub.rings.grant(client.rings, idOf(bytes, start))
  const frame = controlFrame(Kind.GRANT, segment.id, 0, encodeBody(Kind.GRANT, { bytes: segment.bytes }))
  peer.state = 'refused'
  const granted = peer.outbox.grant((socketFd) => hub.rings.send(socketFd, frame, segment.handle, writable))
  if (!granted) hub.log.warn({ client: id, segment: segment.id }, 'a descriptor could not be sent')
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
