import { fork, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { BrokerSettings } from '../../broker/index.js'
import type { RingbusClient } from '../../client/index.js'
import { Child } from '../broker/processes.js'
import { clientOf, socketIn } from '../client/fixtures.js'
import { collectUntil } from '../client/garbage.js'
import { eventually, leases, segments } from '../client/ring-fixtures.js'
import { PROJECT_ROOT } from '../project-files.js'
import { Bystanders } from './bystanders.js'
import { ownRingMemory, type RingMemory } from './ring-memory.js'

const KILL_ADDON = join(PROJECT_ROOT, 'shmring/build-kill/Release/ringbus.node')

/**
 * Rings that are full every few dozen messages and given back when even a slow machine would have used them, and no
 * deadline that it could miss.
 */
const SETTINGS: BrokerSettings = {
  ringBytes: 1024 * 1024,
  ringIdleMs: 2_000,
  attachTimeoutMs: 60_000,
  leaseTimeoutMs: 60_000,
  backlogBytesMax: 2 ** 30,
}

const BYSTANDERS = ['bystander', 'listener']

/** Builds the addon with kill points. Call it before the tests of a file. */
export function buildKillPoints(t: ExecutionContext): void {
  const script = join(PROJECT_ROOT, 'scripts/build-addon.mjs')
  const { status, stderr } = spawnSync(process.execPath, [script, '--kill-points'], { encoding: 'utf8' })
  t.is(status, 0, stderr)
}

/** A program beside this one; with `point`, it kills itself there. */
export function forkChild(t: ExecutionContext, program: string, point?: string): Child {
  const file = fileURLToPath(new URL(program, import.meta.url))
  const killing = point === undefined ? {} : { RINGBUS_ADDON: KILL_ADDON, RINGBUS_KILL_POINT: point }
  return new Child(t, fork(file, { silent: true, env: { ...process.env, ...killing } }))
}

/** Fails unless the process was killed, and by itself: at the kill point that it was given, and nowhere else. */
export async function diedAtPoint(t: ExecutionContext, child: Child): Promise<void> {
  await child.ended()
  const { exitCode, signalCode, killed } = child.process
  const wanted = { exitCode: null, signalCode: 'SIGKILL', killed: false, stderr: '' }
  t.deepEqual({ exitCode, signalCode, killed, stderr: child.stderr } as unknown, wanted, 'the kill point')
}

interface RingTotals {
  readonly segments: number
  readonly segmentBytes: number
  readonly reservedBytes: number
  readonly copiedBytes: number
  readonly committed: number
  readonly delivered: number
  readonly abandoned: number
  readonly declined: number
}

interface Stats {
  readonly pid: number
  readonly clientsRefused: number
  readonly messagesDropped: number
  readonly rings: RingTotals
}

/** A broker in a process of its own, and who watches that a death does no harm to anybody else. */
export class Stage {
  readonly t: ExecutionContext
  readonly path: string
  readonly bystanders: Bystanders
  readonly #observer: RingbusClient
  readonly #settings: BrokerSettings
  readonly #sharedBefore = readdirSync('/dev/shm')
  #broker: Child

  private constructor(
    t: ExecutionContext,
    settings: BrokerSettings,
    broker: Child,
    clients: RingbusClient[],
  ) {
    this.t = t
    this.path = settings.path!
    this.#settings = settings
    this.#broker = broker
    this.#observer = clients[0]!
    this.bystanders = new Bystanders(clients[1]!, clients[2]!)
  }

  /** With `point`, the broker kills itself there. */
  static async open(t: ExecutionContext, point?: string, others: BrokerSettings = {}): Promise<Stage> {
    t.timeout(110_000, 'the watchdog')
    const path = socketIn(t)
    const settings = { ...SETTINGS, ...others, path }
    const broker = await startBroker(t, settings, point)
    const clients = await Promise.all(['observer', ...BYSTANDERS].map((name) => clientOf(t, path, { name })))
    return new Stage(t, settings, broker, clients)
  }

  get broker(): Child {
    return this.#broker
  }

  get observer(): RingbusClient {
    return this.#observer
  }

  /** Starts another broker on the path of the one that died. */
  async replaceBroker(): Promise<void> {
    this.#broker = await startBroker(this.t, this.#settings)
  }

  async stats(): Promise<Stats> {
    return (await this.#observer.request<Stats>('$SYS.stats')).data
  }

  /** Resolves when the broker knows no client of this name any more. */
  async forgotten(name: string): Promise<void> {
    await eventually(async () => ![...(await this.#clients()).values()].includes(name))
  }

  /** Resolves when the broker knows clients of all these names, and the bystanders. */
  async present(names: readonly string[]): Promise<void> {
    await eventually(async () => {
      const present = new Set((await this.#clients()).values())
      return [...names, ...BYSTANDERS].every((name) => present.has(name))
    })
  }

  /** Checks that the dead have left nothing, and the living live on; ends with the end of all. */
  async leavesNothing(): Promise<void> {
    const { t, bystanders } = this
    await bystanders.goOn()
    await eventually(() => this.#onlyTheLivingOwn())
    await bystanders.stop()
    t.deepEqual(bystanders.streams.faults, [])
    await eventually(async () => (await leases(this.#observer)) === 0)
    await eventually(async () => (await segments(this.#observer)).length === 0)
    await eventually(async () => isNothing(await this.#brokerMemory()))
    await collectUntil(() => isNothing(ownRingMemory()))
    const { rings, clientsRefused, messagesDropped } = await this.stats()
    const none = { segments: 0, segmentBytes: 0, reservedBytes: 0, copiedBytes: 0, abandoned: 0, declined: 0 }
    t.like(rings, none)
    t.deepEqual({ clientsRefused, messagesDropped }, { clientsRefused: 0, messagesDropped: 0 })
    await this.#endsClean()
  }

  /** Every segment belongs to a client that is there, and the broker has memory of no other. */
  async #onlyTheLivingOwn(): Promise<boolean> {
    const rows = await segments(this.#observer)
    const living = await this.#clients()
    const memory = await this.#brokerMemory()
    return (
      rows.every(({ client }) => client !== null && living.has(client)) &&
      memory.descriptors === rows.length &&
      memory.maps === rows.length &&
      // Who lives is in this process.
      memory.pairs === ownRingMemory().pairs
    )
  }

  async #clients(): Promise<Map<number, string>> {
    const { rows } = (
      await this.#observer.request<{ rows: { client: number; name: string }[] }>('$SYS.clients')
    ).data
    return new Map(rows.map(({ client, name }) => [client, name]))
  }

  async #brokerMemory(): Promise<RingMemory> {
    this.#broker.process.send('memory')
    return this.#broker.message<RingMemory>()
  }

  async #endsClean(): Promise<void> {
    const { t } = this
    const directory = dirname(this.path)
    t.deepEqual(readdirSync(directory).sort(), ['b.sock', 'b.sock.lock'])
    t.is(await this.#broker.end('SIGTERM'), 0)
    t.deepEqual(readdirSync(directory), ['b.sock.lock'])
    t.is(this.#broker.stderr, '')
    t.deepEqual(readdirSync('/dev/shm'), this.#sharedBefore)
  }
}

async function startBroker(t: ExecutionContext, settings: BrokerSettings, point?: string): Promise<Child> {
  const broker = forkChild(t, './broker-child.js', point)
  broker.process.send(settings)
  await broker.message()
  return broker
}

function isNothing({ descriptors, maps }: RingMemory): boolean {
  return descriptors === 0 && maps === 0
}
