import type { NativeHost, ReaderHandle } from '../../shmring/index.js'

/** From here on fresh pages cost more than the copy; smaller payloads get memory of Node's. */
const BLOCK_BYTES_MIN = 64 * 1024

/** How long memory for copies is kept after it was needed first. */
const KEPT_MS = 5000

/** Whether a time is set at which what is kept is given back. */
let isTrimDue = false

/**
 * A payload in memory of this process, where anyone may keep it. That of large ones is used again once the collector
 * has found that nobody does, and given back to the system by and by.
 */
export function copyOut(host: NativeHost, reader: ReaderHandle, offset: number, byteLength: number): Buffer {
  if (byteLength >= BLOCK_BYTES_MIN) {
    const block = host.readerTake(reader, offset, byteLength)
    if (block !== undefined) {
      trimLater(host)
      return Buffer.from(block)
    }
  }
  const bytes = Buffer.allocUnsafeSlow(byteLength)
  host.readerCopy(reader, offset, bytes)
  return bytes
}

function trimLater(host: NativeHost): void {
  if (isTrimDue) return
  isTrimDue = true
  setTimeout(() => {
    isTrimDue = false
    host.blocksTrim()
  }, KEPT_MS).unref()
}
