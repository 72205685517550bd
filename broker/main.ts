import { parseArgs } from 'node:util'
import { RingbusError } from '../protocol/index.js'
import { type LogLevel, runBroker } from './run.js'

/*
 * The broker as a process of its own, for clients that start one when none runs. People use `ringbus broker`.
 */
const { values } = parseArgs({
  options: {
    path: { type: 'string' },
    'idle-exit-ms': { type: 'string', default: '0' },
    'log-level': { type: 'string', default: 'info' },
  },
})

try {
  await runBroker({
    settings: { path: values.path, idleExitMs: Number(values['idle-exit-ms']) },
    logLevel: values['log-level'] as LogLevel,
  })
} catch (error) {
  if (!(error instanceof RingbusError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n`)
  process.exitCode = 1
}
