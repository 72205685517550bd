import { setMaxListeners } from 'node:events'
import type { RingbusClient } from '../client/index.js'
import { type FoundFile, findFiles } from './find-files.js'
import { mapConcurrently } from './map-concurrently.js'
import { runMicroservice } from './microservice.js'
import { withRetries } from './retry.js'
import {
  DONE,
  type FileOutcome,
  FOUND,
  HASH,
  type HashReply,
  type HashRequest,
  type Outcome,
  WALK,
  type Walk,
  type WalkProgress,
} from './topics.js'

/** Requests for hashes under way at a time: enough to keep every hasher busy, and the rest stays here. */
const IN_FLIGHT_MAX = 32

/** All files found are kept, here and in the main process; past this number the walk fails and says so. */
const FILES_MAX = 1_000_000

/** Publishes at the pace of the slowest subscriber rather than past the limit. */
async function tell(bus: RingbusClient, topic: string, progress: WalkProgress): Promise<void> {
  if (!bus.publish(topic, progress)) await bus.ready(topic)
}

async function hashOverBus(bus: RingbusClient, file: FoundFile, signal: AbortSignal): Promise<FileOutcome> {
  const { path, version } = file
  // Neither hasher nor reader is given a time for the whole file, which may have any size: a death is told at once.
  const ask = () => bus.request<HashReply>(HASH, { path } satisfies HashRequest, { timeout: 0, signal })
  const { result, retries } = await withRetries(ask, signal)
  return { ...result.data, kind: 'file', path, version, retries: retries + result.data.retries }
}

/** Finds everything, then has it hashed. Yields what became of each thing, as the main process takes it. */
async function* walk(
  bus: RingbusClient,
  roots: readonly Buffer[],
  signal: AbortSignal,
): AsyncGenerator<Outcome> {
  // Each request under way listens to the signal, twice while it waits to be made again.
  setMaxListeners(2 * IN_FLIGHT_MAX, signal)
  const files: FoundFile[] = []
  const progress = { found: { files: 0, bytes: 0 }, done: { files: 0, bytes: 0 } }
  for await (const found of findFiles(roots)) {
    if (found.kind !== 'found') {
      yield found
      continue
    }
    if (files.push(found) > FILES_MAX) throw new Error(`There are more than ${FILES_MAX} files`)
    progress.found.files += 1
    progress.found.bytes += found.bytes
    await tell(bus, FOUND, progress)
  }

  for await (const outcome of mapConcurrently(files, IN_FLIGHT_MAX, (file) =>
    hashOverBus(bus, file, signal),
  )) {
    progress.done.files += 1
    progress.done.bytes += outcome.bytes
    await tell(bus, DONE, progress)
    yield outcome
  }
}

await runMicroservice('demo-walker', async (bus) => {
  const service = bus.serve<Walk, Outcome>(WALK, (request) => walk(bus, request.data.roots, request.signal), {
    concurrency: 1,
  })
  await service.ready
  return () => service.stop()
})
