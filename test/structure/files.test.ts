import { basename } from 'node:path'
import test from 'ava'
import { filesBelow, readProjectFile, SOURCE_FOLDERS, typescriptFiles } from '../project-files.js'

/** A longer file is two ideas. Tests are lists of cases, and may be longer. */
const SOURCE_LINES_MAX = 400
const TEST_LINES_MAX = 600

const NAMES_THAT_SAY_NOTHING = /^(utils?|helpers?|common|misc|shared|lib)$/i

test('no file or folder has a name that says nothing', (t) => {
  const paths = SOURCE_FOLDERS.flatMap(filesBelow)
  t.true(paths.length > 20)
  const nameless = paths.filter((path) =>
    path.split('/').some((part) => part.split(/[.-]/).some((word) => NAMES_THAT_SAY_NOTHING.test(word))),
  )
  t.deepEqual(nameless, [])
})

test(`sources have at most ${SOURCE_LINES_MAX} lines, tests ${TEST_LINES_MAX}`, (t) => {
  const long = SOURCE_FOLDERS.flatMap(filesBelow)
    .filter((path) => /\.(ts|c|cc|h|mjs)$/.test(path))
    .map((path) => ({ path, lines: readProjectFile(path).split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > (path.startsWith('test/') ? TEST_LINES_MAX : SOURCE_LINES_MAX))
  t.deepEqual(long, [])
})

test('names of TypeScript files are words with hyphens between them', (t) => {
  const other = typescriptFiles().filter(
    (path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(basename(path)),
  )
  t.deepEqual(other, [])
})
