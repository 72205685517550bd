// Tells who owns its files in /proc before and after it has made itself undumpable.
import { statSync } from 'node:fs'
import { loadNative } from '../../shmring/index.js'

function ownerAfter(dumpable: boolean): number {
  loadNative()!.setDumpable(dumpable)
  return statSync('/proc/self/stat').uid
}

process.on('message', () => {
  const native = loadNative()!
  if (process.getuid!() === 0) process.setuid!(65534)
  native.setDumpable(true)
  process.send!({ uid: process.getuid!(), dumpable: ownerAfter(true), undumpable: ownerAfter(false) })
})
