import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import test, { type ExecutionContext, type Implementation } from 'ava'
import { PROJECT_ROOT, readProjectFile } from '../project-files.js'

interface Checks {
  readonly configurations: Record<string, { readonly reaches: readonly string[] }>
  readonly mutations: readonly {
    readonly name: string
    readonly configuration: string
    readonly violates: string
  }[]
}

export const MODEL = 'shmring/model'

/** What scripts/check-model.mjs checks. */
export const checks = JSON.parse(readProjectFile(`${MODEL}/checks.json`)) as Checks

/** For a search of millions of states beside other tests, on a slow machine. */
const PATIENCE_MS = 20 * 60_000

const hasSpin = spawnSync('spin', ['-V']).error === undefined

/** A test that needs spin; one at a time, since a search takes much memory. */
export function modelTest(title: string, implementation: Implementation<[]>): void {
  if (hasSpin) test.serial(title, implementation)
  else test.serial.skip(`${title} (skipped: spin is not installed, see CONTRIBUTING.md)`, implementation)
}

/** Runs one check; says what it found. */
export async function checkPasses(t: ExecutionContext, name: string): Promise<void> {
  t.timeout(PATIENCE_MS)
  const child = spawn(process.execPath, [join(PROJECT_ROOT, 'scripts/check-model.mjs'), name])
  t.teardown(() => child.kill())
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const [status] = await once(child, 'close')
  t.log(output.trim())
  t.is(status, 0, output)
}
