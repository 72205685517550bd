import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { NativeHost } from '../../shmring/index.js'
import { temporaryDirectory } from './fixtures.js'
import { openSides, type Sides } from './segment-sides.js'

/** As `openSides`; closed after the test. */
export async function sidesFor(t: ExecutionContext, native: NativeHost, dataBytes: number): Promise<Sides> {
  const sides = await openSides(native, temporaryDirectory(t), dataBytes)
  t.teardown(() => {
    native.readerClose(sides.reader)
    native.ringClose(sides.ring)
    native.segmentClose(sides.segment)
  })
  return sides
}

/** How a process ended that was given a scenario of segment-scenarios.ts. */
export interface Outcome {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface ScenarioOptions {
  readonly nodeFlags?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** Runs one scenario in a process of its own, until that ends. */
export async function runScenario(
  t: ExecutionContext,
  name: string,
  { nodeFlags = [], args = [], env = {} }: ScenarioOptions = {},
): Promise<Outcome> {
  const script = fileURLToPath(new URL('segment-scenarios.js', import.meta.url))
  const child = spawn(process.execPath, [...nodeFlags, script, name, temporaryDirectory(t), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code, signal] = (await closed) as [number | null, string | null]
  return { code, signal, stdout, stderr }
}
