import { connect } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

interface Order {
  readonly id: number
  readonly item: string
}

const broker = await brokerForExample()
const shop = await connect({ path: broker.path, name: 'shop' })
const warehouse = await connect({ path: broker.path, name: 'warehouse' })
// Where the language has it, `await using shop = await connect(…)` takes the place of try and finally.
try {
  // `*` stands for one token of the topic, `>` for all that follow.
  const orders = warehouse.subscribe<Order>('orders.*', (message) => {
    console.log(`warehouse: ${message.topic}: ${message.data.item}`)
  })
  // The broker has accepted the subscription: what is published from here on arrives.
  await orders.ready

  shop.publish('orders.created', { id: 1, item: 'a lamp' })
  shop.publish('orders.paid', { id: 1, item: 'a lamp' })
  // Nobody subscribed to this one, so it is gone.
  shop.publish('invoices.created', { id: 1 })
  await shop.flush()

  // A second subscription, read as an async iterator; leaving the loop unsubscribes.
  const returns = warehouse.subscribe<Order>('returns.>')
  await returns.ready
  shop.publish('returns.eu.broken', { id: 1, item: 'a broken lamp' })
  for await (const message of returns) {
    console.log(`warehouse: ${message.topic}: ${message.data.item}`)
    break
  }

  // Handles what has arrived, then ends the subscription.
  await orders.drain()
} finally {
  await shop.close()
  await warehouse.close()
  await broker.close()
}
