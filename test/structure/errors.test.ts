import test from 'ava'
import { ERROR_CODES } from '../../protocol/index.js'
import { filesBelow, readProjectFile } from '../project-files.js'
import { readSpec, readVectors } from '../protocol/spec.js'

const page = readProjectFile('docs/ERRORS.md')
const entries = [...page.matchAll(/^### (.+)\n\n(?<text>(?:(?!^#).*\n?)*)/gm)]

test('docs/ERRORS.md has one heading for each code, in the order of the table', (t) => {
  t.deepEqual(
    entries.map((entry) => entry[1]!),
    Object.keys(ERROR_CODES),
  )
})

test('each entry says what happened and what to do', (t) => {
  const sentences = (text: string) => text.trim().split(/\.\s/).length
  t.deepEqual(
    entries.filter(({ groups }) => sentences(groups!.text!) < 2).map((entry) => entry[1]!),
    [],
  )
})

/** Words of this shape that are no codes: a flag, and what the system calls its own. */
const NO_CODES = [
  'SENT_AT',
  'CLOCK_MONOTONIC',
  'SCM_RIGHTS',
  'MSG_CTRUNC',
  'F_SEAL_SHRINK',
  'F_SEAL_GROW',
  'F_SEAL_FUTURE_WRITE',
  'F_SEAL_SEAL',
]

test('[ERR-1] SPEC.md names no code that does not exist', (t) => {
  const spec = readSpec()
  const kinds = /\b(?:[A-Z]+_[A-Z_]+)\b/g
  const known = new Set([...Object.keys(ERROR_CODES), ...NO_CODES])
  t.deepEqual(
    [...spec.matchAll(kinds)].map(([word]) => word).filter((word) => !known.has(word)),
    [],
  )
  for (const { code, name } of readVectors(spec)) t.true(code === '' || code in ERROR_CODES, name)
})

test('every code is given by some source', (t) => {
  const sources = ['protocol', 'shmring', 'broker', 'client', 'cli']
    .flatMap(filesBelow)
    .filter((path) => /\.(ts|cc?|h)$/.test(path) && path !== 'protocol/errors.ts')
    .map(readProjectFile)
    .join('\n')
  t.deepEqual(
    Object.keys(ERROR_CODES).filter((code) => !new RegExp(`['"(]${code}\\b`).test(sources)),
    [],
  )
})
