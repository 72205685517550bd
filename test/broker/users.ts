import { fork } from 'node:child_process'
import { chmodSync, chownSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { testWhen } from '../shmring/fixtures.js'
import { socketIn } from './fixtures.js'
import { Child } from './processes.js'
import type { Outcome, Task } from './user-child.js'

const USER_CHILD = fileURLToPath(new URL('./user-child.js', import.meta.url))

export const testAsRoot = testWhen(process.getuid!() === 0, 'only root can become other users')

/** A process of another user, as `user-child.ts` describes it. */
export class User {
  readonly #t: ExecutionContext
  readonly #child: Child

  static async start(t: ExecutionContext, uid: number, gid = uid): Promise<User> {
    const child = new Child(t, fork(USER_CHILD, [String(uid), String(gid)], { silent: true }))
    await child.message()
    return new User(t, child)
  }

  private constructor(t: ExecutionContext, child: Child) {
    this.#t = t
    this.#child = child
  }

  async attempt(task: Task): Promise<Outcome> {
    this.#child.process.send(task)
    return this.#child.message<Outcome>()
  }

  /** The task must succeed; returns what it brought. */
  async may<Value = unknown>(task: Task): Promise<Value> {
    const outcome = await this.attempt(task)
    this.#t.is(outcome.code, 'OK', JSON.stringify(outcome))
    return (outcome as { value: Value }).value
  }

  /** The task must fail with this code; returns the message. */
  async mayNot(task: Task, code = 'PERMISSION_DENIED'): Promise<string> {
    const outcome = await this.attempt(task)
    this.#t.is(outcome.code, code, JSON.stringify(outcome))
    return (outcome as { message: string }).message
  }
}

/** A path for a socket whose directory a broker of this user is to make, in one that every user can pass. */
export function publicSocketIn(t: ExecutionContext, brokerUid = 0): string {
  const parent = dirname(socketIn(t))
  chmodSync(parent, 0o755)
  chownSync(parent, brokerUid, brokerUid)
  return `${parent}/own/b.sock`
}
