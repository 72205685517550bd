import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { RingbusError } from '../../protocol/index.js'
import { debug } from '../debug.js'
import { backoffMs } from './backoff.js'
import { type DialSettings, dial } from './dial.js'
import type { OnWelcome } from './handshake.js'

/** A broker is up within some hundred milliseconds, on a busy machine within a few seconds. */
const DEADLINE_MS = 5000

/** How often to look meanwhile: soon at first, since most brokers are quick. */
const ATTEMPTS = { delayMinMs: 20, delayMaxMs: 200 }

/** A broker that was started for its clients ends after this time without any. */
const IDLE_EXIT_MS = 60_000

/** The end of the log that an error shows: a stack trace and what led to it. */
const LOG_TAIL_LENGTH = 2048

/** The program is started, never imported: a client has none of the broker's code. */
const BROKER_PROGRAM = fileURLToPath(new URL('../../broker/main.js', import.meta.url))

/**
 * Connects, and starts a broker when none listens. Several clients may do so at once: the broker that gets the
 * lock stays, the others exit, and every client finds the one. Throws AUTOSTART_FAILED.
 */
export async function dialOrStart(
  settings: DialSettings,
  onWelcome: OnWelcome,
  signal?: AbortSignal,
): Promise<void> {
  const noBroker = await tryToDial(settings, onWelcome, signal)
  if (noBroker === undefined) return
  refuseInService()
  const { path } = settings.target
  const log = `${path}.log`
  startBroker(path, log)
  const deadlineMs = Date.now() + DEADLINE_MS
  for (let attempt = 0; Date.now() < deadlineMs; attempt++) {
    await delay(backoffMs(attempt, ATTEMPTS), undefined, signal === undefined ? {} : { signal })
    if ((await tryToDial(settings, onWelcome, signal)) === undefined) return
  }
  throw new RingbusError(
    'AUTOSTART_FAILED',
    `The broker that was started did not listen at ${path} within ${DEADLINE_MS} ms. ${logTail(log)}`,
    { cause: noBroker, details: { path, log } },
  )
}

/** Gives the error back when nothing listens. */
async function tryToDial(
  settings: DialSettings,
  onWelcome: OnWelcome,
  signal: AbortSignal | undefined,
): Promise<RingbusError | undefined> {
  try {
    await dial(settings, onWelcome, signal)
    return undefined
  } catch (error) {
    if (error instanceof RingbusError && error.code === 'NO_BROKER') return error
    throw error
  }
}

/** A service manager ends what its unit has started: the broker would die with one of its clients. */
function refuseInService(): void {
  const unit = process.env.INVOCATION_ID
  if (unit === undefined || unit === '') return
  throw new RingbusError(
    'AUTOSTART_FAILED',
    'No broker is started from within a systemd unit (INVOCATION_ID is set): it would end with that unit. ' +
      'Run `ringbus broker` as a unit of its own; in a shell that merely inherited the variable, unset it',
  )
}

function startBroker(path: string, log: string): void {
  if (!existsSync(BROKER_PROGRAM)) {
    throw new RingbusError('AUTOSTART_FAILED', `The program of the broker is missing: ${BROKER_PROGRAM}`)
  }
  const descriptor = openLog(path, log)
  try {
    const programArguments = [BROKER_PROGRAM, '--path', resolve(path), '--idle-exit-ms', String(IDLE_EXIT_MS)]
    const broker: ChildProcess = spawn(process.execPath, programArguments, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', descriptor, descriptor],
    })
    broker.on('error', (error) => debug('the broker could not be started: %s', error))
    broker.unref()
    debug('started a broker, pid %d, log %s', broker.pid, log)
  } finally {
    closeSync(descriptor)
  }
}

function openLog(path: string, log: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSync(log, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600)
  } catch (cause) {
    throw new RingbusError(
      'AUTOSTART_FAILED',
      `The broker's log ${log} cannot be written: ${String(cause)}`,
      {
        cause,
        details: { path, log },
      },
    )
  }
}

function logTail(log: string): string {
  try {
    const text = readFileSync(log, 'utf8').trimEnd()
    return text === ''
      ? `Its log ${log} is empty`
      : `Its log ${log} ends with:\n${text.slice(-LOG_TAIL_LENGTH)}`
  } catch (error) {
    return `Its log ${log} cannot be read: ${String(error)}`
  }
}
