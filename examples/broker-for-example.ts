import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../broker/index.js' // in your own code: from 'ringbus/broker'

export interface ExampleBroker {
  /** What `connect` wants to know. */
  readonly path: string
  close(): Promise<void>
}

/** The broker that $RINGBUS_SOCKET names, or else one that lives as long as the example. */
export async function brokerForExample(): Promise<ExampleBroker> {
  const path = process.env['RINGBUS_SOCKET']
  if (path !== undefined && path !== '') return { path, close: async () => {} }
  const directory = await mkdtemp(join(tmpdir(), 'ringbus-example-'))
  const broker = await startBroker({ path: join(directory, 'broker.sock') })
  return {
    path: broker.path,
    close: async () => {
      await broker.close()
      await rm(directory, { recursive: true })
    },
  }
}
