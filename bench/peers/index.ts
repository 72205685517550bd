export {
  type Connection,
  type ConnectSettings,
  type DeliveryAccount,
  type DeliveryCounts,
  type Draft,
  FOREIGN_NAMES,
  type Holding,
  OWN_NAMES,
  PAYLOADS_IN_TURN,
  PAYLOADS_REUSED,
  type Peer,
  type PeerName,
  type Requests,
  requestsOf,
  type Server,
  type ServerOptions,
  type StreamedMessage,
  type Streams,
  type Tuning,
} from './peer.js'

import type { Peer, PeerName } from './peer.js'

/** Loads one system alone, so that a worker of one does not carry the others' clients with it. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  switch (name) {
    case 'nats':
      return (await import('./nats.js')).nats
    case 'redis':
      return (await import('./redis.js')).redis
    case 'mosquitto':
      return (await import('./mosquitto.js')).mosquitto
    case 'zeromq':
      return (await import('./zeromq.js')).zeromq
    default:
      return (await import('./ringbus.js')).ringbusVariant(name)
  }
}
