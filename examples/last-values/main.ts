import { connect } from '../../client/index.js' // in your own code: from 'ringbus'
import { brokerForExample } from '../broker-for-example.js'

const broker = await brokerForExample()
const house = await connect({ path: broker.path, name: 'house' })
const visitor = await connect({ path: broker.path, name: 'visitor' })
try {
  // The broker keeps the last retained message of each topic …
  house.publish('house.door', 'closed', { retain: true })
  house.publish('house.door', 'open', { retain: true })
  house.publish('house.light.kitchen', { on: true }, { retain: true })
  house.publish('house.bell', 'ding dong') // … and of others none.
  await house.flush()

  // … so whoever comes later knows at once how things are, without asking.
  const states = visitor.subscribe('house.>')
  await states.ready
  house.publish('house.door', 'closed', { retain: true })
  // Nothing more is kept of this topic from now on.
  house.publish('house.door', '', { retain: true })

  let seen = 0
  for await (const msg of states) {
    console.log(`${msg.topic}: ${JSON.stringify(msg.data)}${msg.retained ? ' (kept)' : ''}`)
    seen += 1
    if (seen === 3) break
  }
} finally {
  await house.close()
  await visitor.close()
  await broker.close()
}
