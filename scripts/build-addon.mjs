// Builds the native addon into shmring/build/Release/ringbus.node with node-gyp, unless the one that is
// there was made from the same sources for the same Node. ringbus works without the addon, so a missing
// tool is a warning and ends with 0; sources that do not compile are an error.
//
// `--kill-points` builds shmring/build-kill/Release/ringbus.node instead, for tests: the same with places at which
// it kills its process (include/ringbus_kill_point.h). RINGBUS_ADDON=<path> makes ringbus load it.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { builtAddon, currentStamp, isUpToDate, sourceFolder, sourceFolders } from './addon-sources.mjs'

const hasKillPoints = process.argv.includes('--kill-points')
const { buildFolder, addonPath, stampPath } = builtAddon(hasKillPoints ? 'build-kill' : 'build')
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')

/** Runs, too: macOS has a `cc` that only offers to install one. */
function runs(command) {
  const [program, ...args] = command.split(' ')
  const { status } = spawnSync(program, [...args, '--version'], { stdio: 'ignore' })
  return status === 0
}

/** The tools that node-gyp and its makefile will call, each as a list of which one suffices. */
function missingTools() {
  const { env, platform } = process
  const python = env.PYTHON ?? env.npm_config_python
  const tools = [
    [env.CC ?? 'cc'],
    [env.CXX ?? (platform === 'darwin' ? 'c++' : 'g++')],
    [env.MAKE ?? 'make'],
    python ? [python] : ['python3', 'python'],
  ]
  return tools.filter((choices) => !choices.some(runs)).map((choices) => choices.join(' or '))
}

/** The prefix that this Node was installed under, if its headers came with it. */
function headersPrefix() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined
}

function isNodedirSetting(key) {
  return /^npm_(package_)?config_(node_gyp_)?nodedir$/i.test(key)
}

/** node-gyp lets `nodedir` from npm's configuration win over its own argument; binding.gyp calls `node`. */
function environment(prefix) {
  const inherited = Object.entries(process.env).filter(([key]) => !(prefix && isNodedirSetting(key)))
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter)
  return { ...Object.fromEntries(inherited), PATH: path, PYTHONDONTWRITEBYTECODE: '1' }
}

function runNodeGyp(args, prefix, cwd = sourceFolder) {
  const nodedir = prefix ? [`--nodedir=${prefix}`] : []
  const { status, error } = spawnSync(process.execPath, [nodeGyp, ...args, '--loglevel=warn', ...nodedir], {
    cwd,
    env: environment(prefix),
    stdio: 'inherit',
  })
  if (error) throw error
  return status === 0
}

/** Without headers beside Node, those of npm's configuration will do, or a download. */
function obtainHeaders(prefix) {
  return (
    Boolean(prefix) || Object.keys(process.env).some(isNodedirSetting) || runNodeGyp(['install', '--ensure'])
  )
}

/**
 * node-gyp has one place for what it builds, below the working directory; so it gets a directory of its own.
 * Several test processes may build at once: each in its own, and the last one's addon stays.
 */
function buildWithKillPoints(prefix) {
  mkdirSync(dirname(addonPath), { recursive: true })
  const scratch = mkdtempSync(join(buildFolder, 'scratch-'))
  try {
    copyFileSync(join(sourceFolder, 'binding.gyp'), join(scratch, 'binding.gyp'))
    for (const name of sourceFolders) symlinkSync(join(sourceFolder, name), join(scratch, name))
    if (!runNodeGyp(['rebuild', '--ringbus_kill_points=true'], prefix, scratch)) return false
    renameSync(join(scratch, 'build/Release/ringbus.node'), addonPath)
    return true
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** An addon from older sources may lack what the TypeScript beside it calls: better none than that one. */
function goOnWithout(reason, remedy) {
  rmSync(addonPath, { force: true })
  console.warn(`
Warning: the native addon of ringbus was not built: ${reason}.
ringbus works without it, with fewer guarantees; \`ringbus doctor\` says which.
${remedy}, then run \`npm run build\` again.
`)
}

const toolsRemedy = `To build it, install a C and C++ compiler, make and Python 3
  (Debian, Ubuntu: apt install g++ make python3;  Fedora: dnf install gcc-c++ make python3;
  Alpine: apk add g++ make python3;  macOS: xcode-select --install)`

const headersRemedy = 'To build it, connect to the network or point npm_config_nodedir to an installed Node'

function build() {
  const stamp = currentStamp()
  if (isUpToDate(addonPath, stampPath, stamp)) return true
  const missing = missingTools()
  if (missing.length > 0) {
    goOnWithout(`this machine has no working ${missing.join(', ')}`, toolsRemedy)
    return true
  }
  const prefix = headersPrefix()
  if (!obtainHeaders(prefix)) {
    goOnWithout(`the headers of Node ${process.version} could not be downloaded`, headersRemedy)
    return true
  }
  const isBuilt = hasKillPoints ? buildWithKillPoints(prefix) : runNodeGyp(['rebuild'], prefix)
  if (!isBuilt) return false
  writeFileSync(stampPath, stamp)
  return true
}

process.exitCode = build() ? 0 : 1
