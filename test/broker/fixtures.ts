import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Broker, type BrokerOptions, startBroker } from '../../broker/index.js'
import { Client } from './transcript.js'

/** A path for a socket, in a directory of its own that is removed after the test. */
export function socketIn(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'rb-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'b.sock')
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
