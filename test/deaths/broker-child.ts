import { type BrokerSettings, runBroker } from '../../broker/index.js'
import { ownRingMemory } from './ring-memory.js'

/*
 * A broker in a process of its own, to be killed. Begins when its parent sends it settings; says 'ready', and answers
 * 'memory'.
 */
process.once('message', (settings: BrokerSettings) => {
  process.on('message', (question) => {
    if (question === 'memory') process.send!(ownRingMemory())
  })
  void runBroker({ settings, logLevel: 'error', ready: () => process.send!('ready') }).then(() =>
    process.disconnect(),
  )
})
