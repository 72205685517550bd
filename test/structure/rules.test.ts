import test from 'ava'
import { filesBelow, readProjectFile, SOURCE_FOLDERS, typescriptFiles } from '../project-files.js'
import { readSpec, readVectors, ruleIds } from '../protocol/spec.js'

const CITATION = /\[([A-Z]+-\d+(?:\.\d+)?)\]/g
const TITLE = /\btest(?:\.\w+)*\(\s*(['"`])(?<title>.*?)\1,/gs

const spec = readSpec()
const defined = ruleIds(spec)

function citations(text: string): string[] {
  return [...text.matchAll(CITATION)].map((match) => match[1]!)
}

/** Where a vector shows all that a rule asks for; elsewhere it is but an example of the frames concerned. */
const SHOWN_BY_VECTORS = /^(WIRE-1|WIRE-3|PAYLOAD|RING-1)\b/

/** Rules that a title of a test names, those of the tests of vectors included. */
function testedRules(): Set<string> {
  const shown = readVectors(spec).map(({ rule }) => rule)
  const tested = new Set(shown.filter((rule) => SHOWN_BY_VECTORS.test(rule)))
  for (const path of typescriptFiles().filter((file) => file.endsWith('.test.ts'))) {
    for (const { groups } of readProjectFile(path).matchAll(TITLE)) {
      for (const rule of citations(groups!.title!)) tested.add(rule)
    }
  }
  return tested
}

test('SPEC.md defines each rule once, and numbers those of a group without gaps', (t) => {
  t.true(defined.length > 60)
  t.is(new Set(defined).size, defined.length)
  const lastOf = new Map<string, number>()
  for (const rule of defined) {
    const [, group, number] = /^(.*[-.])(\d+)$/.exec(rule)!
    t.is(Number(number), (lastOf.get(group!) ?? 0) + 1, rule)
    lastOf.set(group!, Number(number))
  }
})

test('every rule that is cited anywhere exists', (t) => {
  const sources = SOURCE_FOLDERS.flatMap(filesBelow).filter((path) => /\.(ts|c|cc|h|md)$/.test(path))
  const unknown = sources.flatMap((path) =>
    citations(readProjectFile(path))
      .filter((rule) => !defined.includes(rule))
      .map((rule) => `${path}: [${rule}]`),
  )
  t.deepEqual(unknown, [])
})

/** [PAYLOAD-4] only introduces the rules below it. */
const INTRODUCTIONS = ['PAYLOAD-4']

test('every rule of SPEC.md is named by the title of a test', (t) => {
  const tested = testedRules()
  const untested = defined.filter((rule) => !tested.has(rule) && !INTRODUCTIONS.includes(rule))
  t.deepEqual(untested, [], `no test names ${untested.map((rule) => `[${rule}]`).join(' ')}`)
})
