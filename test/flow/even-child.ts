import './with-parent.js'
import { connect } from '../../client/index.js'

/*
 * Subscriptions to one topic that only count. Says 'ready', and as soon as the first of them has `count` messages, how
 * many each of them has.
 */
export interface EvenPart {
  readonly path: string
  readonly topic: string
  readonly clients: number
  readonly subscriptionsPerClient: number
  readonly count: number
}

process.once('message', async ({ path, topic, clients, subscriptionsPerClient, count }: EvenPart) => {
  const received = new Uint32Array(clients * subscriptionsPerClient)
  let isOver = false
  const take = (index: number) => {
    received[index]! += 1
    if (isOver || received[index]! < count) return
    isOver = true
    process.send!([...received])
  }
  for (let client = 0; client < clients; client++) {
    const bus = await connect({ path, name: `subscriber ${client}`, reconnect: false })
    for (let number = 0; number < subscriptionsPerClient; number++) {
      const index = client * subscriptionsPerClient + number
      await bus.subscribe(topic, () => take(index)).ready
    }
  }
  process.send!('ready')
})
