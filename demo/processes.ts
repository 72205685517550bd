import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export type Role = 'broker' | 'reader' | 'hasher' | 'walker' | 'urgent' | 'monitor'

/** What dies over and over again has a fault that a new start does not mend: the demo gives up. */
const RESTARTS_MAX = 10

/** After this a process that was asked to end is killed. */
const END_WITHIN_MS = 5_000

/** Who asks ends before who answers, and the monitor sees it all. */
const ENDING_ORDER: readonly Role[] = ['walker', 'urgent', 'hasher', 'reader', 'monitor']

interface Running {
  readonly role: Role
  readonly child: ChildProcess
}

/** The processes of the demo. One that dies is started anew, except for the broker, without which all is over. */
export class Processes {
  readonly #socketPath: string
  readonly #onFailure: (error: Error) => void
  readonly #running = new Set<Running>()
  readonly #restarted: string[] = []
  #state: 'running' | 'ending' = 'running'

  /** `onFailure` learns that the demo cannot go on. */
  constructor(socketPath: string, onFailure: (error: Error) => void) {
    this.#socketPath = socketPath
    this.#onFailure = onFailure
  }

  /** A line for each process that died and was started anew: its role and how it died. */
  get restarted(): readonly string[] {
    return this.#restarted
  }

  /** Roles and process ids, as `hasher 4711 4712 4713 · reader …`. */
  describe(): string {
    const pids = new Map<Role, number[]>()
    for (const { role, child } of this.#running) pids.set(role, [...(pids.get(role) ?? []), child.pid!])
    return [...pids].map(([role, ids]) => `${role} ${ids.join(' ')}`).join(' · ')
  }

  /** Starts a process; resolves once it is at work. */
  async start(role: Role): Promise<void> {
    const child = fork(new URL(`./${role}.js`, import.meta.url), [this.#socketPath])
    const running: Running = { role, child }
    this.#running.add(running)
    const exited = once(child, 'exit')
    try {
      const first = await Promise.race([once(child, 'message'), exited.then(() => undefined)])
      if (first === undefined && this.#state === 'running') {
        throw new Error(`The ${role} did not start (${describeExit(child)})`)
      }
    } catch (error) {
      this.#running.delete(running)
      throw error
    }
    void exited.then(() => this.#exited(running))
  }

  /** Ends all but the broker. What they tell as they end still arrives. */
  async endMicroservices(): Promise<void> {
    this.#state = 'ending'
    for (const role of ENDING_ORDER) {
      const members = [...this.#running].filter((running) => running.role === role)
      await Promise.all(members.map((running) => this.#endOne(running)))
    }
  }

  /** Ends everything. Resolves once all processes are gone. */
  async end(): Promise<void> {
    await this.endMicroservices()
    await Promise.all([...this.#running].map((running) => this.#endOne(running)))
  }

  async #endOne(running: Running): Promise<void> {
    const { child } = running
    this.#running.delete(running)
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const impatience = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS)
    await exited
    clearTimeout(impatience)
  }

  #exited(running: Running): void {
    if (this.#state === 'ending' || !this.#running.delete(running)) return
    const { role, child } = running
    const death = `${role} ${child.pid} (${describeExit(child)})`
    if (role === 'broker') return this.#onFailure(new Error(`The broker is gone: ${death}`))
    if (this.#restarted.length >= RESTARTS_MAX) {
      return this.#onFailure(new Error(`More than ${RESTARTS_MAX} processes died, the last one was ${death}`))
    }
    this.#restarted.push(death)
    this.start(role).catch(this.#onFailure)
  }
}

function describeExit({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ?? `exit code ${exitCode}`
}
