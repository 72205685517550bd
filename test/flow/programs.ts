import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { BrokerSettings } from '../../broker/index.js'
import { Child } from '../broker/processes.js'
import type { BrokerPart } from './broker-child.js'

/** After a longer time than any of these tests needs on a busy machine, nothing more will come. */
export const WATCHDOG_MS = 100_000

/** A program beside this one in a process of its own, killed after the test; it begins with its part. */
export function startProgram<Part extends object>(t: ExecutionContext, program: string, part: Part): Child {
  const child = new Child(t, fork(fileURLToPath(new URL(program, import.meta.url)), { silent: true }))
  child.process.send(part)
  return child
}

/** A broker in a process of its own, ready to take clients. */
export async function startBrokerChild(
  t: ExecutionContext,
  settings: BrokerSettings,
  timers: BrokerPart['timers'] = 'as set',
): Promise<Child> {
  const broker = startProgram<BrokerPart>(t, './broker-child.js', { settings, timers })
  await broker.message()
  return broker
}
