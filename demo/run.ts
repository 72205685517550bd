import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type RingbusClient } from '../client/index.js'
import { countDelivered, type RingUse, readRingUse } from './delivered.js'
import { LatencyHistogram } from './latency.js'
import type { DemoOptions } from './options.js'
import { Processes, type Role } from './processes.js'
import { type Retried, withRetries } from './retry.js'
import { LATENCY_BULK, LATENCY_URGENT, type Outcome, WALK, type Walk } from './topics.js'

/** What a run over the bus brought, before anything is compared. */
export interface RunResult {
  readonly outcomes: readonly Outcome[]
  readonly elapsedMs: number
  readonly messages: number
  readonly rings: RingUse
  readonly urgent: LatencyHistogram
  readonly bulk: LatencyHistogram
  /** How often the walk was begun again because the walker was lost. */
  readonly retries: number
  /** A line for each process that died on the way. */
  readonly restarted: readonly string[]
}

/** Runs the microservices over the roots. `stop` ends the run early, with its reason as the error. */
export async function runOverBus(options: DemoOptions, stop: AbortController): Promise<RunResult> {
  const directory = await mkdtemp(join(tmpdir(), 'ringbus-demo-'))
  const path = join(directory, 'broker.sock')
  const processes = new Processes(path, (error) => stop.abort(error))
  try {
    await processes.start('broker')
    await Promise.all(rolesOf(options).map((role) => processes.start(role)))
    // Last, so that its latencies are not those of a machine that is busy with starting the others.
    await processes.start('urgent')
    stop.signal.throwIfAborted()
    if (!options.quiet) process.stderr.write(introduction(path, processes))
    return await collect(path, options, processes, stop.signal)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    await processes.end()
    await rm(directory, { recursive: true })
  }
}

function rolesOf({ readers, hashers, quiet }: DemoOptions): Role[] {
  const always: Role[] = ['walker', ...Array(readers).fill('reader'), ...Array(hashers).fill('hasher')]
  return quiet ? always : [...always, 'monitor']
}

/** Everything that a curious reader needs to listen in, or to kill something. */
function introduction(path: string, processes: Processes): string {
  return `Processes: ${processes.describe()}\nSocket: ${path}\n`
}

async function collect(
  path: string,
  options: DemoOptions,
  processes: Processes,
  signal: AbortSignal,
): Promise<RunResult> {
  const bus = await connect({ path, name: 'demo', reconnect: false })
  try {
    const urgent = new LatencyHistogram()
    const bulk = new LatencyHistogram()
    const recordInto = (histogram: LatencyHistogram) => (message: { readonly data: Float64Array }) => {
      for (const latencyMs of message.data) histogram.record(latencyMs)
    }
    const latencies = [
      bus.subscribe(LATENCY_URGENT, recordInto(urgent)),
      bus.subscribe(LATENCY_BULK, recordInto(bulk)),
    ]
    await Promise.all(latencies.map((subscription) => subscription.ready))

    const startedAtMs = performance.now()
    const { result: outcomes, retries } = await walk(bus, options.roots, signal)
    const elapsedMs = performance.now() - startedAtMs
    const [messages, rings] = await Promise.all([countDelivered(bus), readRingUse(bus)])
    // As they end, the hashers publish their last samples; draining waits until those are here.
    await processes.endMicroservices()
    await Promise.all(latencies.map((subscription) => subscription.drain()))
    return { outcomes, elapsedMs, messages, rings, urgent, bulk, retries, restarted: processes.restarted }
  } finally {
    await bus.close()
  }
}

/** Asks the walker for everything; a walker that dies is started anew and asked again. */
function walk(
  bus: RingbusClient,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<Retried<readonly Outcome[]>> {
  const request: Walk = { roots: roots.map((root) => Buffer.from(root)) }
  return withRetries(async () => {
    const outcomes: Outcome[] = []
    // No time limit between parts: a single file may take as long as it needs.
    for await (const { data } of bus.requestStream<Outcome>(WALK, request, { signal, timeout: 0 })) {
      outcomes.push(data)
    }
    return outcomes
  }, signal)
}
