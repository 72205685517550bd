import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { RingbusError } from '../protocol/index.js'
import { loadNative, nativeLoadError } from '../shmring/index.js'
import { type Broker, startBroker } from './broker.js'
import type { BrokerSettings } from './config.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface RunOptions {
  /** Overrides the path and limits of the configuration file. */
  readonly settings?: BrokerSettings | undefined
  /** A JSON file of settings, read at the start and again on SIGHUP. */
  readonly configPath?: string | undefined
  readonly logLevel?: LogLevel | undefined
  /** Called as the broker takes clients. */
  readonly ready?: ((broker: Broker) => void) | undefined
}

/**
 * Runs a broker as what this process is for: logs to standard error, stops gracefully on SIGTERM and SIGINT, at once
 * on a second one, reads its configuration again on SIGHUP. Resolves once it has stopped.
 */
export async function runBroker(options: RunOptions = {}): Promise<void> {
  const log = pino(
    { name: 'ringbus', level: options.logLevel ?? 'info' },
    pino.destination({ dest: 2, sync: true }),
  )
  hardenProcess()
  const unavailable = nativeLoadError()
  if (unavailable !== undefined) {
    log.warn(
      { reason: unavailable.message },
      'the native addon is not loaded: no lock file, no credentials of clients, and what a client had sent ' +
        'before it was killed may be lost',
    )
  }
  const broker = await startBroker({ ...readSettings(options), logger: log })
  log.info({ path: broker.path, pid: process.pid }, 'the broker takes clients')

  let isStopping = false
  const stop = (signal: NodeJS.Signals): void => {
    log.info(
      { signal, clients: broker.clientCount },
      isStopping ? 'the broker ends at once' : 'the broker stops',
    )
    // Whoever asks a second time does not want to wait for what is left to do.
    void (isStopping ? broker.destroy() : broker.close())
    isStopping = true
  }
  const reload = (): void => {
    if (options.configPath === undefined)
      return log.info({}, 'SIGHUP: there is no configuration file to read again')
    try {
      broker.reconfigure(readSettings(options))
      log.info({ config: options.configPath }, 'the configuration was read again')
    } catch (error) {
      // A broken file must not take a running broker down: it goes on as it was.
      log.error({ config: options.configPath, error: String(error) }, 'the configuration was not taken')
    }
  }
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload)
  try {
    options.ready?.(broker)
    await broker.closed
    log.info({}, 'the broker has stopped')
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload)
  }
}

/** Other processes of the same user shall not read the memory of a broker that serves several. */
function hardenProcess(): void {
  loadNative()?.setDumpable(false)
}

/** A setting that is left open must not hide that of the file. */
function definedOf(settings: BrokerSettings): BrokerSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function readSettings({ configPath, settings = {} }: RunOptions): BrokerSettings {
  if (configPath === undefined) return settings
  let text: string
  try {
    text = readFileSync(configPath, 'utf8')
  } catch (cause) {
    throw new RingbusError('CONFIG_INVALID', `The configuration file ${configPath} cannot be read`, { cause })
  }
  try {
    return { ...(JSON.parse(text) as BrokerSettings), ...definedOf(settings) }
  } catch (cause) {
    throw new RingbusError(
      'CONFIG_INVALID',
      `The configuration file ${configPath} is no JSON: ${String(cause)}`,
      { cause },
    )
  }
}
