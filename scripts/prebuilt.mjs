// Puts the addon that was built here into prebuilds/<platform>-<arch>[-musl]/, where an installed package looks
// for it, so that no installation needs a compiler. Whoever packs may first put folders from other machines beside
// it; each says in sources.sha256 what its addon was made from, and packing refuses one that has become outdated.
//
// Ends with 1 when there is no addon for this platform to pack, unless RINGBUS_PACK_WITHOUT_ADDON=1. `--if-built`
// does what can be done and never fails: for `npm ci`, which works without a compiler, and for installations from
// git, which run `prepare` and not `prepack`.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { platformName } from '../dist/shmring/native.js'
import { builtAddon, currentStamp, hashOfSources, isUpToDate, root } from './addon-sources.mjs'

const prebuilds = join(root, 'prebuilds')
const platform = platformName()
const sources = hashOfSources()
const { addonPath, stampPath } = builtAddon('build')

/** The newest that systems with glibc 2.28 have, which is the oldest that Node 20 runs on: they came with GCC 8. */
const NEWEST_VERSIONS = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' }

function fileOf(name) {
  return join(prebuilds, name, 'ringbus.node')
}

function isCurrent(name) {
  const hashPath = join(prebuilds, name, 'sources.sha256')
  return existsSync(fileOf(name)) && existsSync(hashPath) && readFileSync(hashPath, 'utf8').trim() === sources
}

/** Without what only a debugger reads. macOS would want the file signed again afterwards. */
function strip(path) {
  if (process.platform !== 'linux') return
  const { error, status } = spawnSync('strip', ['--strip-unneeded', path], { stdio: 'inherit' })
  if (error?.code === 'ENOENT')
    console.warn('Warning: there is no strip: the addon stays larger than need be')
  else if (error || status !== 0) throw error ?? new Error(`strip ended with ${status}`)
}

/** Throws unless the addon loads here. */
function tryOut(path) {
  const addon = createRequire(import.meta.url)(path)
  if (addon.killPoint) throw new Error(`${path} is a build for tests: it kills its process on request`)
}

/** Renamed into place at the end: a process that has loaded the file there keeps the old one. */
function place() {
  const folder = join(prebuilds, platform)
  const partial = join(folder, 'partial.node')
  mkdirSync(folder, { recursive: true })
  copyFileSync(addonPath, partial)
  strip(partial)
  tryOut(partial)
  renameSync(partial, fileOf(platform))
  writeFileSync(join(folder, 'sources.sha256'), `${sources}\n`)
}

function isNewer(version, than) {
  return version.localeCompare(than, 'en', { numeric: true }) > 0
}

/** The highest version of each library's symbols that the file asks for. They are names in its string table. */
function neededVersions(path) {
  const highest = {}
  for (const [, library, version] of readFileSync(path, 'latin1').matchAll(
    /(?<=\0)(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)+)(?=\0)/g,
  )) {
    if (!highest[library] || isNewer(version, highest[library])) highest[library] = version
  }
  return highest
}

function report(name) {
  const path = fileOf(name)
  const needed = Object.entries(neededVersions(path))
  const kilobytes = Math.ceil(readFileSync(path).length / 1000)
  const versions = needed.map(([library, version]) => `${library}_${version}`)
  console.log(
    `prebuilds/${name}/ringbus.node: ${kilobytes} kB, needs ${versions.join(', ') || 'no version of glibc'}`,
  )
  for (const [library, version] of needed) {
    if (!isNewer(version, NEWEST_VERSIONS[library])) continue
    console.warn(`Warning: that is newer than ${library}_${NEWEST_VERSIONS[library]}, the newest that every system of
Node 20 has. \`objdump -T\` names the functions; or build with an older ${library === 'GLIBC' ? 'glibc' : 'compiler'}.`)
  }
}

/** Whether prebuilds/ has an addon for this platform at the end, made from these sources. */
function provideOwn() {
  if (isCurrent(platform)) return true
  rmSync(join(prebuilds, platform), { recursive: true, force: true })
  if (!isUpToDate(addonPath, stampPath, currentStamp())) return false
  place()
  return true
}

function collected() {
  return existsSync(prebuilds) ? readdirSync(prebuilds).sort() : []
}

function refuse(message) {
  console.error(`\nError: ${message}\n`)
  return false
}

/** Says what is missing, and gives whether a package may be made. */
function mayPack(hasOwn) {
  const outdated = collected().filter((name) => !isCurrent(name))
  if (outdated.length > 0) {
    return refuse(`prebuilds/ holds what was not made from the sources that are here: ${outdated.join(', ')}.
Bring these folders anew from a machine that built them from this commit, or remove them.`)
  }
  if (hasOwn) return true
  const absence = `the package has no native addon for this platform, ${platform}`
  if (process.env.RINGBUS_PACK_WITHOUT_ADDON === '1') {
    console.warn(`\nWarning: ${absence}, as RINGBUS_PACK_WITHOUT_ADDON=1 allows.\n`)
    return true
  }
  return refuse(`${absence}: it was not built here from these sources.
Install the tools that \`npm run build\` asks for and build it, or bring prebuilds/${platform}/ from another machine.
RINGBUS_PACK_WITHOUT_ADDON=1 makes a package without it on purpose.`)
}

const hasOwn = provideOwn()
if (process.argv.includes('--if-built')) {
  if (hasOwn) report(platform)
} else if (mayPack(hasOwn)) {
  for (const name of collected()) report(name)
} else {
  process.exitCode = 1
}
