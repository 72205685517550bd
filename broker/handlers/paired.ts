import type { Handler } from './handler.js'

/** What the client sends from now on comes by its pair, and so does what it gets. [PAIR-3] */
export const onPaired: Handler = (hub, peer) => {
  const { handle, bytes } = hub.pairs.paired(peer)
  peer.channel.pair(handle, bytes)
}
