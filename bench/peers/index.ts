export type { Connection, Peer, PeerName, Server, Tuning } from './peer.js'
export { PAYLOADS_IN_TURN } from './peer.js'

import type { Peer, PeerName } from './peer.js'

/** Loads one system alone, so that a worker of one does not carry the other's client with it. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  switch (name) {
    case 'ringbus':
      return (await import('./ringbus.js')).ringbus
    case 'nats':
      return (await import('./nats.js')).nats
  }
}
