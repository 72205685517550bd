import {
  controlFrame,
  decodeBody,
  encodeBody,
  FEATURE_RETAIN,
  Kind,
  MAGIC,
  Offset,
  PROTOCOL_VERSION,
  readU32,
} from '../../protocol/index.js'
import { usesPairs } from '../pairs/pair-table.js'
import { pollingPeer } from '../polling/polling-peer.js'
import { mapsSegments } from '../rings/ring-table.js'
import { BROKER_VERSION } from '../version.js'
import { type Handler, idOf, violation } from './handler.js'

/** Characters of a client's name that are kept: enough to recognise it in a log line. */
const NAME_LENGTH_MAX = 128

/** Opens the session. [WIRE-2.1] [WIRE-2.2] [WIRE-2.3] */
export const onHello: Handler = (hub, peer, bytes, start, length) => {
  if (readU32(bytes, start + Offset.TOPIC) !== MAGIC) {
    throw violation('NOT_RINGBUS', 'The first frame does not carry the magic of ringbus')
  }
  const version = idOf(bytes, start)
  if (version !== PROTOCOL_VERSION) {
    throw violation(
      'VERSION_UNSUPPORTED',
      `The client speaks version ${version} of the protocol, this broker speaks version ${PROTOCOL_VERSION}`,
    )
  }
  if (peer.state !== 'greeting') throw violation('UNEXPECTED_FRAME', 'HELLO came a second time')
  const hello = decodeBody(Kind.HELLO, bytes, start, length)
  peer.name = (hello.name ?? '').slice(0, NAME_LENGTH_MAX)
  peer.claimedPid = hello.pid ?? 0
  peer.grant = hub.permissions.grantOf(peer.credentials)
  peer.state = 'open'
  peer.mapsSegments = mapsSegments(hello.capabilities) && peer.credentials !== undefined
  peer.usesPairs =
    peer.mapsSegments && hub.rings.isOffered && peer.channel.takesPair && usesPairs(hello.capabilities)
  peer.polling = pollingPeer(peer, hello.capabilities)
  const { payloadBytesMax, aliasesMax, ringPayloadBytesMax } = peer
  const { subscriptionsMax, servicesMax, requestsMax, ringThresholdBytes } = hub.limits
  const token = hub.newToken()
  if (peer.mapsSegments) peer.token = token
  const body = encodeBody(Kind.WELCOME, {
    clientId: peer.id,
    brokerVersion: BROKER_VERSION,
    features: [...hub.rings.features, FEATURE_RETAIN],
    limits: {
      payloadBytesMax,
      aliases: aliasesMax,
      subscriptionsMax,
      servicesMax,
      requestsMax,
      ringThresholdBytes,
      ringPayloadBytesMax,
    },
    token,
  })
  peer.outbox.control(controlFrame(Kind.WELCOME, MAGIC, PROTOCOL_VERSION, body))
  hub.enter(peer)
}
