import './with-parent.js'
import { type BrokerSettings, runBroker } from '../../broker/index.js'
import { putTimersOff } from './timers-off.js'

/** A broker in a process of its own. Begins when its parent sends it its part, and says 'ready'. */
export interface BrokerPart {
  readonly settings: BrokerSettings
  /** Whether its timers run as they are set, or for an hour each. */
  readonly timers: 'as set' | 'put off'
}

process.once('message', ({ settings, timers }: BrokerPart) => {
  if (timers === 'put off') putTimersOff()
  void runBroker({ settings, logLevel: 'error', ready: () => process.send!('ready') }).then(() =>
    process.disconnect(),
  )
})
