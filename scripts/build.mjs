// Builds the whole project: the native addon into shmring/build, the TypeScript into dist.
// `--if-missing` skips the work when dist exists already, for `npm start` after `npm ci`; `--afresh` removes dist
// first, with what is left there of sources that are gone.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  return status ?? 1
}

if (process.argv.includes('--if-missing') && existsSync(join(root, 'dist/client/index.js'))) process.exit(0)
if (process.argv.includes('--afresh')) rmSync(join(root, 'dist'), { recursive: true, force: true })

const addon = run(process.execPath, [join(root, 'scripts/build-addon.mjs')])
if (addon !== 0) process.exit(addon)
const manifest = require.resolve('typescript/package.json')
const compiler = join(dirname(manifest), require(manifest).bin.tsc)
process.exit(run(process.execPath, [compiler, '--project', root]))
