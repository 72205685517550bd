import { type BrokerSettings, startBroker } from '../../broker/index.js'
import { answerCommands } from '../child.js'

export interface BrokerCommands {
  start(settings: BrokerSettings & { path: string }): Promise<void>
  /** Resident bytes after a forced collection; the child needs --expose-gc for it. */
  residentBytes(nothing: null): number
}

/** Collections that a figure waits for: what the first one finds dead may keep other memory until the next. */
const COLLECTIONS = 3

const commands: BrokerCommands = {
  async start(settings) {
    await startBroker(settings)
  },

  residentBytes() {
    for (let collection = 0; collection < COLLECTIONS; collection++) globalThis.gc!()
    return process.memoryUsage.rss()
  },
}

answerCommands({ ...commands })
