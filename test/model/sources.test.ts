import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { filesBelow, PROJECT_ROOT, readProjectFile } from '../project-files.js'
import { checks, MODEL } from './fixtures.js'

const sources = filesBelow(MODEL).filter((path) => path.endsWith('.pml'))
const text = sources.map(readProjectFile).join('\n')
const readme = readProjectFile(`${MODEL}/README.md`)

function distinct(pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1]!))].sort()
}

/** `path Class.method` or `path function`, in a comment. */
const CITATION = /\b((?:broker|client|shmring)\/[\w/-]+\.(?:ts|c)) (?:(\w+)\.)?(\w+)/g

test('the functions that the model names exist where it says', (t) => {
  const citations = [...text.matchAll(CITATION)]
  t.true(citations.length > 40)
  const missing = citations.filter(([, path, owner, name]) => {
    if (!existsSync(join(PROJECT_ROOT, path!))) return true
    const source = readProjectFile(path!)
    const isDefined = new RegExp(
      `(^\\s+(async )?#?|^(export (async )?function|(static )?\\w+) )${name}(<.*>)?\\(`,
      'm',
    ).test(source)
    return !isDefined || (owner !== undefined && !new RegExp(`class ${owner}\\b`).test(source))
  })
  t.deepEqual(
    missing.map(([citation]) => citation),
    [],
  )
})

test('every mutation in the sources is checked, and every check is of one', (t) => {
  const configurations = Object.keys(checks.configurations)
  const names = distinct(/(?:#ifn?def |defined\()(\w+)/g).filter((name) => !configurations.includes(name))
  t.deepEqual(checks.mutations.map(({ name }) => name).sort(), names)
})

test('every mark in the sources is reached by a configuration', (t) => {
  const reached = Object.values(checks.configurations).flatMap(({ reaches }) => reaches)
  t.deepEqual([...new Set(reached)].sort(), distinct(/REACHED\((\w+)\)(?! c_code)/g))
})

test('every invariant is violated by a mutation', (t) => {
  const violated = checks.mutations.map(({ violates }) => violates)
  t.deepEqual([...new Set(violated)].sort(), distinct(/REQUIRE\((\w+), (?!condition)/g))
})

test('README.md names every configuration, invariant and mutation', (t) => {
  const named = checks.mutations.flatMap(({ name, configuration, violates }) => [
    name,
    configuration,
    violates,
  ])
  t.deepEqual(
    named.filter((name) => !readme.includes(`\`${name}\``)),
    [],
  )
})
