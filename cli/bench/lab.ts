import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RingbusError } from '../../client/index.js'
import type { BrokerStats, PollingStats } from '../broker-status.js'
import type { Bus } from '../bus.js'
import { openSession } from './session.js'
import { WorkerProcess } from './worker-process.js'

/** A broker that runs already; `path` undefined: at the default socket. */
export interface RunningBroker {
  readonly path: string | undefined
  readonly brokerUid: number | undefined
}

/** Large payloads that were delivered since the broker started: by ring, and by socket all the same. */
export interface RingDeliveries {
  readonly byRing: number
  readonly bySocket: number
}

/**
 * What measurements need: a broker, processes that are its clients, and a directory for sockets. Whatever is made here
 * is gone after `end`; a broker that was running before keeps nothing of it.
 */
export class Lab {
  readonly #running: RunningBroker | undefined
  readonly #directory = mkdtempSync(join(tmpdir(), 'ringbus-bench-'))
  /** Topics begin with it, so that nobody else is concerned. */
  readonly #prefix = `ringbus-bench.${randomUUID()}`
  #broker: WorkerProcess | undefined
  #workers: WorkerProcess[] = []
  #observer: Bus | undefined
  #names = 0
  #isOver = false

  /** Measures that broker, or, without one, starts another for the purpose. */
  constructor(running: RunningBroker | undefined) {
    this.#running = running
  }

  /** Whether the broker was started for the purpose. */
  get isOwn(): boolean {
    return this.#running === undefined
  }

  get path(): string {
    return this.#observer!.path
  }

  get brokerUid(): number | undefined {
    return this.#running?.brokerUid
  }

  /** Starts what every measurement needs. */
  async start(): Promise<void> {
    const path = this.#running === undefined ? await this.#startBroker() : this.#running.path
    const observer = await openSession({ path, brokerUid: this.brokerUid })
    this.#observer = observer
    if (!this.#isOver) return
    observer.destroy()
    throw over()
  }

  /** Processes that measure, as many as that; each is started when it is first asked for. */
  workers(count: number): WorkerProcess[] {
    if (this.#isOver) throw over()
    while (this.#workers.length < count) this.#workers.push(new WorkerProcess())
    return this.#workers.slice(0, count)
  }

  /** A topic, or the name of a socket, that nothing else has. */
  newTopic(name: string): string {
    this.#names += 1
    return `${this.#prefix}.${name}.${this.#names}`
  }

  newSocketPath(): string {
    this.#names += 1
    return join(this.#directory, `${this.#names}.sock`)
  }

  /** Undefined when the broker does not permit to ask. */
  async ringDeliveries(): Promise<RingDeliveries | undefined> {
    const stats = await this.#stats()
    return stats === undefined ? undefined : { byRing: stats.rings.delivered, bySocket: stats.rings.inlined }
  }

  /** Undefined when the broker does not permit to ask. */
  async polling(): Promise<PollingStats | undefined> {
    return (await this.#stats())?.polling
  }

  /** Ends what may still wait for messages that do not come; what follows gets new processes. */
  async replaceWorkers(): Promise<void> {
    const workers = this.#workers
    this.#workers = []
    for (const worker of workers) worker.kill()
    await Promise.all(workers.map((worker) => worker.exited))
  }

  async end(): Promise<void> {
    const processes = this.#killAll()
    await Promise.all(processes.map((worker) => worker.exited))
    this.#removeDirectory()
  }

  /** The same, as far as it goes without waiting: this process is about to end. */
  endAtOnce(): void {
    this.#killAll()
    this.#removeDirectory()
  }

  async #stats(): Promise<BrokerStats | undefined> {
    try {
      return (await this.#observer!.request<BrokerStats>('$SYS.stats', {})).data
    } catch (error) {
      if (error instanceof RingbusError && error.code === 'PERMISSION_DENIED') return undefined
      throw error
    }
  }

  async #startBroker(): Promise<string> {
    if (this.#isOver) throw over()
    const path = join(this.#directory, 'broker.sock')
    this.#broker = new WorkerProcess()
    await this.#broker.call('startBroker', { path, directory: this.#directory })
    return path
  }

  #killAll(): WorkerProcess[] {
    this.#isOver = true
    this.#observer?.destroy()
    const processes = this.#broker === undefined ? this.#workers : [...this.#workers, this.#broker]
    for (const worker of processes) worker.kill()
    return processes
  }

  #removeDirectory(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Nobody is told: what was going on when a signal came goes on to here. */
function over(): RingbusError {
  return new RingbusError('CANCELLED', 'The measurement is over')
}
