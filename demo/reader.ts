import { openRegularFile } from './files.js'
import { STAMP_BYTES, stamp } from './latency.js'
import { runMicroservice } from './microservice.js'
import { READ, type ReadRequest } from './topics.js'

/**
 * Large enough to go by ring and that the cost of a message hardly shows, small enough that an urgent one never waits
 * for long.
 */
const PART_BYTES = 64 * 1024

/** Files that one reader has open at a time; the broker holds the requests beyond. */
const CONCURRENCY = 8

/**
 * A file in parts, each stamped as it is handed over. The requester's pace decides when the next part is read.
 * One buffer serves them all: a part is in the ring, or on its way, before the next one is asked for.
 */
async function* read(path: Buffer): AsyncGenerator<Buffer> {
  const file = await openRegularFile(path)
  try {
    const part = Buffer.allocUnsafe(STAMP_BYTES + PART_BYTES)
    for (;;) {
      const { bytesRead } = await file.read(part, STAMP_BYTES, PART_BYTES)
      if (bytesRead === 0) return
      stamp(part)
      yield part.subarray(0, STAMP_BYTES + bytesRead)
    }
  } finally {
    await file.close()
  }
}

await runMicroservice('demo-reader', async (bus) => {
  const service = bus.serve<ReadRequest, Buffer>(READ, (request) => read(request.data.path), {
    concurrency: CONCURRENCY,
  })
  await service.ready
  return () => service.stop()
})
