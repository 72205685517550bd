// Where the addon's parts lie, and whether the one that was built here was made from the sources that lie here.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const sourceFolder = join(root, 'shmring')
export const sourceFolders = ['include', 'core', 'binding']

/** What is built in one folder of shmring/: `build`, or the one for tests. */
export function builtAddon(name) {
  const buildFolder = join(sourceFolder, name)
  return {
    buildFolder,
    addonPath: join(buildFolder, 'Release/ringbus.node'),
    stampPath: join(buildFolder, 'ringbus.stamp'),
  }
}

/** Contents rather than times: a checkout or an unpacked archive may date its files as it likes. */
export function hashOfSources() {
  const sources = sourceFolders.flatMap((name) =>
    readdirSync(join(sourceFolder, name)).map((file) => join(name, file)),
  )
  const hash = createHash('sha256')
  for (const source of ['binding.gyp', ...sources].sort()) {
    hash.update(`${source}\n`).update(readFileSync(join(sourceFolder, source)))
  }
  return hash.digest('hex')
}

/** Of the sources, and of the Node that they were built for. */
export function currentStamp() {
  return `${hashOfSources()} ${process.version} ${process.platform} ${process.arch}\n`
}

export function isUpToDate(addonPath, stampPath, stamp) {
  return existsSync(addonPath) && existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp
}
