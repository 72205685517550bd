// Takes and releases the lock at the path in its argument, as it is told.
import { spawn } from 'node:child_process'
import { acquireLock, type HeldLock, loadNative } from '../../shmring/index.js'

const path = process.argv[2]!
const native = loadNative()!
let lock: HeldLock | undefined

function acquire(): unknown {
  const result = acquireLock(native, path)
  if (result.held) lock = result
  return result.held ? { held: true } : result
}

/** A program that outlives this process, as whatever a broker starts might. */
function startSleeper(): unknown {
  const sleeper = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  sleeper.unref()
  return sleeper.pid
}

process.on('message', (question) => {
  if (question === 'acquire') process.send!(acquire())
  if (question === 'sleeper') process.send!(startSleeper())
  if (question === 'release') {
    lock?.release()
    process.send!('released')
  }
})
