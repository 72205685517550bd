import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Child } from '../broker/processes.js'
import type { LoadPart, LoadReport } from './load-child.js'
import { createRandom } from './random.js'
import { forkChild, Stage } from './stage.js'

const KILLS = Number(process.env.RINGBUS_KILLS ?? 200)
const SEED = Number(process.env.RINGBUS_KILL_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Between two deaths, on average: time for those that are new to get their rings going. */
const PAUSE_MS = 150

/** The broker dies now and then: each time everybody has to begin anew. */
const BROKER_SHARE = 1 / 16

/** After a longer silence than this, nothing more will come. */
const WATCHDOG_MS = 110_000

const ROLES: readonly LoadPart['role'][] = [
  'publisher',
  'publisher',
  'publisher',
  'copies',
  'copies',
  'views',
  'views',
]

/** One part, and who plays it now. */
interface Player {
  readonly role: LoadPart['role']
  name: string
  child: Child
  /** Brokers that had died when it began. */
  brokersBefore: number
}

/** Everybody on a stage that may be killed, and who is ready to take over. */
class Troupe {
  readonly players: Player[] = []
  readonly kills: Record<string, number> = { broker: 0, publisher: 0, copies: 0, views: 0 }
  readonly #t: ExecutionContext
  readonly #stage: Stage
  readonly #random: () => number
  /** To start a program takes longer than to play: so the next one waits. */
  #spare: Child
  #committed = 0
  #delivered = 0
  #begun = 0

  constructor(t: ExecutionContext, stage: Stage, random: () => number) {
    this.#t = t
    this.#stage = stage
    this.#random = random
    this.#spare = forkChild(t, './load-child.js')
  }

  get brokerKills(): number {
    return this.kills['broker']!
  }

  async begin(): Promise<void> {
    for (const role of ROLES) this.players.push({ role, ...(await this.#enter(role)) })
  }

  /** Kills somebody, and has another take over. */
  async kill(): Promise<void> {
    if (this.#random() < BROKER_SHARE) return this.#killBroker()
    const player = this.players[Math.floor(this.#random() * this.players.length)]!
    const { child, role } = player
    await this.#killChild(child)
    this.kills[role]! += 1
    Object.assign(player, await this.#enter(role))
  }

  /** Ends the play: publishers first, then everybody has to give back what they have. */
  async end(): Promise<LoadReport[]> {
    await this.#everybodyIsThere()
    await this.#ask<string>('busy')
    await this.#ask<string>('stop')
    const reports = await this.#ask<LoadReport>('report')
    for (const { child } of this.players) child.process.send('close')
    for (const { child } of this.players) {
      this.#t.is(await child.ended(), 0)
      this.#t.is(child.stderr, '')
    }
    await this.#count()
    return reports
  }

  describe(): string {
    return `${JSON.stringify(this.kills)}; by ring ${this.#committed} messages, ${this.#delivered} deliveries`
  }

  async #ask<Answer>(question: string): Promise<Answer[]> {
    for (const { child } of this.players) child.process.send(question)
    return Promise.all(this.players.map(({ child }) => child.message<Answer>()))
  }

  async #enter(role: LoadPart['role']): Promise<Omit<Player, 'role'>> {
    const child = this.#spare
    this.#spare = forkChild(this.#t, './load-child.js')
    const name = `${role}-${++this.#begun}`
    const topic = role === 'publisher' ? `load.${name}` : 'load.*'
    const seed = Math.floor(this.#random() * 2 ** 31)
    const brokersBefore = this.brokerKills
    const part = { role, path: this.#stage.path, name, topic, seed, brokersBefore }
    child.process.send(part satisfies LoadPart)
    await child.message()
    return { name, child, brokersBefore }
  }

  /** Everybody has noticed what deaths of brokers there were. */
  #everybodyIsThere(): Promise<void> {
    return this.#stage.present(this.players.map(({ name }) => name))
  }

  async #killBroker(): Promise<void> {
    // Brokers are counted by who loses them.
    await this.#everybodyIsThere()
    await this.#count()
    await this.#killChild(this.#stage.broker)
    this.kills['broker']! += 1
    await this.#stage.replaceBroker()
  }

  async #killChild(child: Child): Promise<void> {
    this.#t.true(child.isRunning, child.stderr)
    await child.end('SIGKILL')
    this.#t.is(child.process.signalCode, 'SIGKILL')
    this.#t.is(child.stderr, '')
  }

  async #count(): Promise<void> {
    const { committed, delivered } = (await this.#stage.stats()).rings
    this.#committed += committed
    this.#delivered += delivered
  }
}

test.serial(`${KILLS} random kills under load: no wrong byte, nothing left behind`, async (t) => {
  t.log(`seed ${SEED}; RINGBUS_KILL_SEED=${SEED} repeats the choice of victims`)
  const random = createRandom(SEED)
  // So that streams move to pairs soon after each death, and the next victim most likely has one.
  const stage = await Stage.open(t, undefined, { pairAfterBytes: 1, pairPieceBytesMin: 1 })
  await stage.bystanders.start()
  const troupe = new Troupe(t, stage, random)
  await troupe.begin()
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(random() * 2 * PAUSE_MS)
    await troupe.kill()
    t.timeout(WATCHDOG_MS, `the watchdog, at kill ${kill}`)
  }
  await delay(PAUSE_MS)
  const reports = await troupe.end()
  for (const [index, { disconnects, messages }] of reports.entries()) {
    // Whoever lives on loses its connection with each broker, and never else.
    t.is(disconnects, troupe.brokerKills - troupe.players[index]!.brokersBefore)
    t.true(messages > 0)
  }
  const { streams, publisher } = stage.bystanders
  t.is(publisher.disconnects, troupe.brokerKills)
  await stage.leavesNothing()
  t.log(
    `kills ${troupe.describe()}; bystanders ${publisher.published} published, ${streams.received} received`,
  )
})
