import type { Client } from '../client/index.js'
import { type FoundFile, findFiles } from './find-files.js'
import { mapConcurrently } from './map-concurrently.js'
import { runMicroservice } from './microservice.js'
import { withRetries } from './retry.js'
import {
  DONE,
  FOUND,
  HASH,
  type HashReply,
  type HashRequest,
  type Outcome,
  type Tally,
  WALK,
  type Walk,
} from './topics.js'

/** Requests for hashes under way at a time: enough to keep every hasher busy, and the rest stays here. */
const IN_FLIGHT_MAX = 32

/** All files found are kept, here and in the main process; past this number the walk fails and says so. */
const FILES_MAX = 1_000_000

/** Publishes at the pace of the slowest subscriber rather than past the limit. */
async function publishTally(bus: Client, topic: string, tally: Tally): Promise<void> {
  if (!bus.publish(topic, tally)) await bus.ready(topic)
}

async function hashOverBus(bus: Client, file: FoundFile, signal: AbortSignal): Promise<Outcome> {
  const { path, version } = file
  // Neither hasher nor reader is given a time for the whole file, which may have any size: a death is told at once.
  const ask = () => bus.request<HashReply>(HASH, { path } satisfies HashRequest, { timeout: 0, signal })
  const { result, retries } = await withRetries(ask, signal)
  return { ...result.data, kind: 'file', path, version, retries: retries + result.data.retries }
}

/** Finds everything, then has it hashed. Yields what became of each thing, as the main process takes it. */
async function* walk(bus: Client, roots: readonly Buffer[], signal: AbortSignal): AsyncGenerator<Outcome> {
  const files: FoundFile[] = []
  let bytes = 0
  for await (const found of findFiles(roots)) {
    if (found.kind !== 'found') {
      yield found
      continue
    }
    if (files.push(found) > FILES_MAX) throw new Error(`There are more than ${FILES_MAX} files`)
    bytes += found.bytes
    await publishTally(bus, FOUND, { files: files.length, bytes })
  }

  const done = { files: 0, bytes: 0 }
  for await (const outcome of mapConcurrently(files, IN_FLIGHT_MAX, (file) =>
    hashOverBus(bus, file, signal),
  )) {
    done.files += 1
    done.bytes += outcome.kind === 'skipped' ? 0 : outcome.bytes
    await publishTally(bus, DONE, done)
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
