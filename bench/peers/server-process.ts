import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Presence, Server } from './peer.js'

/** How to start a program and to learn from what it writes that it is ready. */
export interface ServerStart {
  readonly args: readonly string[]
  /** Looks at a line; what workers connect to once the server is ready, undefined until then. */
  readyAddress(line: string): string | undefined
}

/** Longer than any server takes to start on a busy machine. */
const START_TIMEOUT_MS = 20_000

/** Starts a server in a folder of its own, which is gone afterwards, and waits until it is ready. */
export async function startServerProgram(
  program: string,
  prepare: (folder: string) => ServerStart,
): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'ringbus-bench-'))
  const { args, readyAddress } = prepare(folder)
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(server, 'exit')
  async function stop(): Promise<void> {
    server.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true })
  }
  /** Reads on after the first address, for a server whose pipe is full would stop. */
  const address = new Promise<string>((resolve, reject) => {
    const lines: string[] = []
    for (const input of [server.stdout, server.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line)
        const found = readyAddress(line)
        if (found !== undefined) resolve(found)
      })
    }
    const fail = (what: string) => reject(new Error(`${program} ${what}:\n${lines.join('\n')}`))
    server.once('exit', () => fail('ended'))
    setTimeout(() => fail('did not say that it was ready'), START_TIMEOUT_MS).unref()
  })
  try {
    return { address: await address, pid: server.pid!, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Asks a program for its version, which is the first group of the pattern. */
export function programPresence(program: string, argument: string, pattern: RegExp): Presence {
  const { stdout, error } = spawnSync(program, [argument], { encoding: 'utf8' })
  const version = error === undefined ? pattern.exec(stdout)?.[1] : undefined
  return version === undefined
    ? { missing: `${program} does not run here (see bench/peers/install.sh)` }
    : { version }
}
