import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import type { ExecutionContext } from 'ava'
import { type Broker, type BrokerOptions, startBroker } from '../../broker/index.js'
import { Client } from './transcript.js'

/** A path for a socket, in a directory of its own that is removed after the test. */
export function socketIn(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'rb-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'b.sock')
}

export const HOUR_NS = 3600e9

/** Lets time pass by the clock of expiry, for everybody in this process, until the end of the test. */
export function passTime(t: ExecutionContext, ns: number): void {
  const now = process.hrtime.bigint
  const clock = mock.method(process.hrtime, 'bigint', () => now() + BigInt(ns))
  t.teardown(() => clock.mock.restore())
}

/** A broker within this process, and clients for it. */
export interface Bench {
  readonly broker: Broker
  readonly path: string
  /** A client that has been welcomed. */
  client(name?: string): Promise<Client>
  /** A client that has said nothing. */
  stranger(): Promise<Client>
}

/** No deadline about rings passes on a busy machine, unless a test is about it. */
const PATIENT = { attachTimeoutMs: 60_000, leaseTimeoutMs: 60_000, ringIdleMs: 60_000 }

/** Starts a broker, which is stopped after the test. */
export async function startBench(t: ExecutionContext, options: BrokerOptions = {}): Promise<Bench> {
  const path = socketIn(t)
  const broker = await startBroker({
    ...PATIENT,
    path,
    refusedLingerMs: 200,
    drainTimeoutMs: 200,
    ...options,
  })
  t.teardown(() => broker.close())
  return {
    broker,
    path,
    client: (name) => Client.open(t, path, name),
    stranger: () => Client.connect(t, path),
  }
}
