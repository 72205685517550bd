import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type BrokerOptions, startBroker } from '../../broker/index.js'
import {
  type ClientEvents,
  type ConnectOptions,
  connect,
  type RingbusClient,
  type RingbusError,
} from '../../client/index.js'

const BROKER_PROGRAM = fileURLToPath(new URL('../../broker/main.js', import.meta.url))

/** Reconnects at once: tests wait for events, not for delays. */
export const QUICK = { delayMin: 1, delayMax: 20 }

/** A path for a socket, in a directory of its own that is removed after the test. */
export function socketIn(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ringbus-client-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }))
  return join(directory, 'b.sock')
}

/** A broker within this process, stopped after the test; returns its path. */
export async function brokerIn(t: ExecutionContext, options: BrokerOptions = {}): Promise<string> {
  const path = socketIn(t)
  const broker = await startBroker({ path, ...options })
  t.teardown(() => broker.close())
  return path
}

/** A client, destroyed after the test. Its `error` events fail the test unless it takes them by `errorsOf`. */
export async function clientOf(
  t: ExecutionContext,
  path: string,
  options: ConnectOptions = {},
): Promise<RingbusClient> {
  const client = await connect({ path, reconnect: QUICK, ...options })
  t.teardown(() => client.destroy())
  client.on('error', (error) => {
    if (!expectsErrors.has(client)) t.fail(`an error event: ${error.stack}`)
  })
  return client
}

const expectsErrors = new WeakSet<RingbusClient>()

/** The `error` events of a client, as they come. */
export function errorsOf(client: RingbusClient): RingbusError[] {
  const errors: RingbusError[] = []
  expectsErrors.add(client)
  client.on('error', (error) => errors.push(error))
  return errors
}

/** The first argument of the next event of this name. */
export function eventOf<Name extends keyof ClientEvents>(
  client: RingbusClient,
  name: Name,
): Promise<Parameters<ClientEvents[Name]>[0]> {
  return new Promise((resolve) => client.once(name, resolve as never))
}

/** Resolves when `condition` holds; ava's time-out is the watchdog. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(1)
}

/** Keeps the thread busy, as a slow handler does. */
export function burn(milliseconds: number): void {
  const endMs = performance.now() + milliseconds
  while (performance.now() < endMs);
}

/** Round trips through the broker: what others had sent before is here after it. */
export async function settled(...clients: RingbusClient[]): Promise<void> {
  // The answer to a flush may overtake what the frames before it have set free in a backlog.
  for (let round = 0; round < 2; round++) for (const client of clients) await client.flush()
}

/** Messages that a handler has been given, as `topic=data`. */
export function textOf(message: { readonly topic: string; readonly data: unknown }): string {
  return `${message.topic}=${String(message.data)}`
}

/** A broker in a process of its own, killed after the test. */
export class BrokerProcess {
  readonly path: string
  readonly #t: ExecutionContext
  #child: ChildProcess | undefined

  constructor(t: ExecutionContext, path = socketIn(t)) {
    this.#t = t
    this.path = path
    t.teardown(() => this.#child?.kill('SIGKILL'))
  }

  /** Resolves when clients can connect. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [BROKER_PROGRAM, '--path', this.path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    let log = ''
    child.stderr!.on('data', (chunk) => {
      log += String(chunk)
    })
    child.on('exit', (code) => {
      if (code !== null) this.#t.log(log)
    })
    await until(() => log.includes('takes clients'))
  }

  /** As `kill -9` does it; resolves once the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child!
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}
