import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseOptions, UsageError } from '../../demo/options.js'
import { PROJECT_ROOT } from '../project-files.js'
import { temporaryDirectory } from './fixtures.js'

test('without arguments: the project and the running Node', (t) => {
  const { roots, hashers, readers, quiet, json } = parseOptions([])
  t.deepEqual(roots, [realpathSync(PROJECT_ROOT), realpathSync(process.execPath)])
  t.deepEqual({ hashers, readers, quiet, json }, { hashers: 3, readers: 2, quiet: false, json: false })
})

test('a root below another one, and one named twice, count once', (t) => {
  const directory = realpathSync(temporaryDirectory(t))
  for (const name of ['a', 'ab']) mkdirSync(join(directory, name))
  writeFileSync(join(directory, 'a', 'file'), '')
  symlinkSync('a', join(directory, 'link'))
  const paths = ['a/file', 'a', 'ab', 'link', 'a'].map((name) => join(directory, name))
  t.deepEqual(parseOptions(paths).roots, [join(directory, 'a'), join(directory, 'ab')])
  t.deepEqual(parseOptions(['/', directory]).roots, ['/'])
})

const WRONG: readonly { args: readonly string[]; says: RegExp }[] = [
  { args: ['--speed'], says: /--speed/ },
  { args: ['--hashers', '0'], says: /Expected `--hashers` to be an integer from 1 to 32, got `0`/ },
  { args: ['--readers', '2.5'], says: /Expected `--readers` to be an integer from 1 to 32, got `2.5`/ },
  { args: ['--hashers', '33'], says: /got `33`/ },
  { args: ['/there/is/no/such/file'], says: /Cannot use `\/there\/is\/no\/such\/file`: ENOENT/ },
]

for (const { args, says } of WRONG) {
  test(`refused: ${args.join(' ')}`, (t) => {
    t.throws(() => parseOptions(args), { instanceOf: UsageError, message: says })
  })
}
