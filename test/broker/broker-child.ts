import { runBroker } from '../../broker/index.js'

/**
 * A broker in a process of its own: `broker-child.js <path> [<configuration file>]`, with an empty path
 * for that of the file. Tells its parent when it is ready.
 */
const [path, configPath] = process.argv.slice(2) as [string, string | undefined]
await runBroker({
  settings: { path: path === '' ? undefined : path },
  configPath,
  logLevel: 'info',
  ready: () => process.send?.('ready'),
})
process.disconnect?.()
