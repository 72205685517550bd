import { createHash } from 'node:crypto'
import { appendFileSync, lstatSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { versionOf } from '../../demo/files.js'
import type { FileOutcome } from '../../demo/topics.js'
import { type Finding, verifyAll } from '../../demo/verify.js'
import { temporaryDirectory } from './fixtures.js'

const CONTENTS = 'what is in the file'
const DIGEST = createHash('sha256').update(CONTENTS).digest('hex')

/** A file, and what the bus says about it if all goes well. */
function hashedFile(t: ExecutionContext): { path: string; outcome: FileOutcome } {
  const path = join(temporaryDirectory(t), 'file')
  writeFileSync(path, CONTENTS)
  return { path, outcome: outcomeOf(path, { digest: DIGEST }) }
}

function outcomeOf(path: string, said: { digest?: string; fault?: string }): FileOutcome {
  const version = versionOf(lstatSync(path, { bigint: true }))
  return { kind: 'file', path: Buffer.from(path), version, bytes: CONTENTS.length, retries: 0, ...said }
}

async function verify(outcome: FileOutcome): Promise<Finding> {
  for await (const finding of verifyAll([outcome], new AbortController().signal)) return finding
  throw new Error('There is no finding')
}

test('the right digest agrees', async (t) => {
  const { outcome } = hashedFile(t)
  t.is((await verify(outcome)).verdict, 'agrees')
})

test('a wrong digest of an unchanged file differs, and both are named', async (t) => {
  const { path } = hashedFile(t)
  const wrong = createHash('sha256').digest('hex')
  const finding = await verify(outcomeOf(path, { digest: wrong }))
  t.is(finding.verdict, 'differs')
  t.true(finding.reason.includes(wrong) && finding.reason.includes(DIGEST))
})

test('a file that only the bus could not read differs', async (t) => {
  const { path } = hashedFile(t)
  const finding = await verify(outcomeOf(path, { fault: 'EIO' }))
  t.is(finding.verdict, 'differs')
  t.regex(finding.reason, /EIO over the bus/)
})

test('a file that grew has changed', async (t) => {
  const { path, outcome } = hashedFile(t)
  appendFileSync(path, 'more')
  t.is((await verify(outcome)).verdict, 'changed')
})

test('a file that was replaced by one of the same size and date has changed', async (t) => {
  const { path, outcome } = hashedFile(t)
  const { atime, mtime } = lstatSync(path)
  writeFileSync(`${path}.new`, CONTENTS.toUpperCase())
  renameSync(`${path}.new`, path)
  utimesSync(path, atime, mtime)
  t.is((await verify(outcome)).verdict, 'changed')
})

test('a file that vanished after it was hashed has changed', async (t) => {
  const { path, outcome } = hashedFile(t)
  rmSync(path)
  const finding = await verify(outcome)
  t.is(finding.verdict, 'changed')
  t.regex(finding.reason, /ENOENT/)
})

test('a file that nobody could read is unreadable', async (t) => {
  const { path } = hashedFile(t)
  const outcome = outcomeOf(path, { fault: 'ENOENT' })
  rmSync(path)
  t.like(await verify(outcome), { verdict: 'unreadable', reason: 'ENOENT' })
})
