import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { findFiles } from '../../demo/find-files.js'
import { temporaryDirectory } from './fixtures.js'

async function find(...roots: string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const each of findFiles(roots.map((root) => Buffer.from(root)))) {
    const what =
      each.kind === 'skipped' ? each.reason : each.kind === 'found' ? `${each.bytes} bytes` : each.fault
    found.set(each.path.toString('latin1'), what ?? '')
  }
  return found
}

test('files are found at every depth, whatever their names', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'deep', 'deeper', 'empty'), { recursive: true })
  writeFileSync(join(directory, 'deep', 'deeper', 'file'), 'abc')
  writeFileSync(join(directory, 'two\nlines'), '')
  const notUtf8 = Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff, 0xfe)])
  writeFileSync(notUtf8, 'x')
  t.deepEqual(
    await find(directory),
    new Map([
      [`${directory}/deep/deeper/file`, '3 bytes'],
      [`${directory}/two\nlines`, '0 bytes'],
      [notUtf8.toString('latin1'), '1 bytes'],
    ]),
  )
})

test('links and special files are passed over', async (t) => {
  const directory = temporaryDirectory(t)
  symlinkSync('.', join(directory, 'loop'))
  symlinkSync('nowhere', join(directory, 'dangling'))
  execFileSync('mkfifo', [join(directory, 'pipe')])
  t.deepEqual(
    await find(directory),
    new Map([
      [`${directory}/dangling`, 'symbolic link'],
      [`${directory}/loop`, 'symbolic link'],
      [`${directory}/pipe`, 'special file'],
    ]),
  )
})

test('what cannot be looked at is reported, and the rest is found', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), 'abc')
  const found = await find(join(directory, 'gone'), directory)
  t.regex(found.get(join(directory, 'gone'))!, /ENOENT/)
  t.is(found.get(join(directory, 'file')), '3 bytes')
})

test('another file system below a root is passed over', async (t) => {
  const found = await find('/dev')
  t.is(found.get('/dev/shm'), 'other file system')
})
