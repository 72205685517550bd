import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { PROJECT_ROOT, SOURCE_FOLDERS } from '../project-files.js'
import { findCycle, folderOf, projectImports, specifiers } from './imports.js'

/** What each folder may import besides its own files: folders, or single files. Tests may import anything. */
const MAY_IMPORT: Record<string, readonly string[] | 'anything'> = {
  protocol: [],
  shmring: [],
  polling: [],
  broker: ['protocol', 'shmring', 'polling'],
  client: ['protocol', 'shmring', 'polling'],
  cli: ['client/index.ts', 'broker/index.ts'],
  demo: ['client/index.ts', 'broker/index.ts'],
  examples: ['client/index.ts', 'broker/index.ts'],
  // Ten thousand idle clients, or a hundred thousand subscriptions, are made of bare frames.
  bench: ['client/index.ts', 'broker/index.ts', 'protocol'],
  test: 'anything',
}

const imports = projectImports()

test('every folder of sources has a rule about what it may import', (t) => {
  t.deepEqual(Object.keys(MAY_IMPORT).sort(), [...SOURCE_FOLDERS].sort())
})

for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
  if (allowed === 'anything') continue
  test(`${folder}/ imports ${allowed.length === 0 ? 'no other folder' : allowed.join(' and ')}`, (t) => {
    const refused = imports.filter(
      ({ importer, imported }) =>
        folderOf(importer) === folder &&
        folderOf(imported) !== folder &&
        !allowed.includes(folderOf(imported)) &&
        !allowed.includes(imported),
    )
    t.deepEqual(refused, [])
  })
}

test('imports of sources name files that exist', (t) => {
  // Tests hold sources of other programs as text.
  const ofSources = imports.filter(({ importer }) => folderOf(importer) !== 'test')
  t.true(ofSources.length > 10)
  t.deepEqual(
    ofSources.filter(({ imported }) => !existsSync(join(PROJECT_ROOT, imported))),
    [],
  )
})

test('no file imports itself by way of others', (t) => {
  t.is(findCycle(imports)?.join('\n  → '), undefined)
})

test('the search for imports finds all their forms, and the search for circles a circle', (t) => {
  const source = `
    import a, { b } from './a.js'
    export * from './c.js'
    import type {
      D,
    } from './d.js'
    const e = await import('./e.js')
import './f.js'`
  t.deepEqual(specifiers(source), ['./a.js', './c.js', './d.js', './e.js', './f.js'])
  const chain = [
    { importer: 'a', imported: 'b' },
    { importer: 'b', imported: 'c' },
  ]
  t.is(findCycle(chain), undefined)
  t.deepEqual(findCycle([...chain, { importer: 'c', imported: 'b' }]), ['b', 'c', 'b'])
})
