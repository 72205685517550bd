import { createHash } from 'node:crypto'
import { type RingbusClient, RingbusError } from '../client/index.js'
import { millisecondsSince, STAMP_BYTES } from './latency.js'
import { Meter } from './meter.js'
import { runMicroservice } from './microservice.js'
import { withRetries } from './retry.js'
import { ALARM, HASH, type HashReply, type HashRequest, READ } from './topics.js'

/** Files that one hasher works at: while it hashes a part of one, parts of the others are on their way. */
const CONCURRENCY = 4

/** A reader that lives and yet sends nothing for so long hangs on its disk; its death would be told at once. */
const PART_TIMEOUT_MS = 30_000

interface Contents {
  readonly digest: string
  readonly bytes: number
}

/** Pulls a file from a reader, part by part. Those that come by ring are hashed where they lie. */
async function hashContents(
  bus: RingbusClient,
  meter: Meter,
  path: Buffer,
  signal: AbortSignal,
): Promise<Contents> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const { data } of bus.requestStream<Buffer>(
    READ,
    { path },
    { signal, timeout: PART_TIMEOUT_MS, view: true },
  )) {
    const contents = data.subarray(STAMP_BYTES)
    meter.part(contents.length, millisecondsSince(data))
    hash.update(contents)
    bytes += contents.length
  }
  return { digest: hash.digest('hex'), bytes }
}

async function hashFile(
  bus: RingbusClient,
  meter: Meter,
  path: Buffer,
  signal: AbortSignal,
): Promise<HashReply> {
  try {
    const { result, retries } = await withRetries(() => hashContents(bus, meter, path, signal), signal)
    return { ...result, retries }
  } catch (error) {
    // The reader's own failure: the file cannot be read, which another attempt would not change.
    if (!(error instanceof RingbusError) || error.code !== 'HANDLER_ERROR') throw error
    return { fault: error.message, bytes: 0, retries: 0 }
  }
}

await runMicroservice('demo-hasher', async (bus) => {
  const meter = new Meter(bus)
  const alarms = bus.subscribe<Buffer>(ALARM, (alarm) => meter.alarm(millisecondsSince(alarm.data)))
  const service = bus.serve<HashRequest, HashReply>(
    HASH,
    (request) => hashFile(bus, meter, request.data.path, request.signal),
    { concurrency: CONCURRENCY },
  )
  await Promise.all([alarms.ready, service.ready])
  return async () => {
    await service.stop()
    await alarms.drain()
    await meter.stop()
  }
})
