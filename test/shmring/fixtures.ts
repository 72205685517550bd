import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext, type Implementation } from 'ava'
import { loadNative, type NativeHost, nativeLoadError } from '../../shmring/index.js'

/** The checkout: the tests run from dist/test/shmring. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url))

/** For ava's watchdog: on a busy machine a compiler takes its time, and nothing else is reported meanwhile. */
export const COMPILING_MS = 10 * 60_000

/** A new directory, removed after the test. */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ringbus-shmring-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** The addon; these tests fail rather than skip without it. */
export function nativeHost(): NativeHost {
  const native = loadNative()
  if (!native) throw nativeLoadError()
  return native
}

/** Another process that answers one message for each that it is sent; killed after the test. */
export class Child {
  readonly #process: ChildProcess

  constructor(t: ExecutionContext, script: string, args: readonly string[]) {
    this.#process = fork(new URL(script, import.meta.url), args)
    t.teardown(() => this.#process.kill('SIGKILL'))
  }

  get pid(): number {
    return this.#process.pid!
  }

  async ask<Answer>(question: string): Promise<Answer> {
    const answered = once(this.#process, 'message')
    this.#process.send(question)
    const [answer] = await answered
    return answer as Answer
  }

  /** As `kill -9` does it; resolves once the process is gone. */
  async kill(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}

/** A server that leaves everything unread until the test reads it; closed after the test. */
export async function listenPaused(t: ExecutionContext, path: string): Promise<Server> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

/** The descriptor of a socket, which Node keeps to itself. */
export function descriptorOf(socket: Socket | Server): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd
}

/** Tests that need something of the host; where it is missing they are skipped, and their titles say why. */
export function testWhen(
  isPossible: boolean,
  reason: string,
): (title: string, run: Implementation<[]>) => void {
  if (isPossible) return (title, run) => test(title, run)
  return (title, run) => test.skip(`${title} (skipped: ${reason})`, run)
}
