import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Kind } from '../../protocol/index.js'
import { socketIn } from './fixtures.js'
import { hello, subscribe } from './frames.js'
import { type Child, spawnBroker, startBrokerProcess } from './processes.js'
import { Client } from './transcript.js'

async function startConfigured(t: ExecutionContext, settings: object) {
  const path = socketIn(t)
  const configPath = join(dirname(path), 'broker.json')
  writeFileSync(configPath, JSON.stringify(settings))
  const broker = await startBrokerProcess(t, path, { configPath })
  return { path, configPath, broker }
}

async function reload(broker: Child, told: string): Promise<void> {
  broker.process.kill('SIGHUP')
  await broker.until(() => broker.stderr.includes(told))
}

test('SIGHUP reads the configuration again; clients stay', async (t) => {
  const { path, configPath, broker } = await startConfigured(t, { subscriptionsMax: 1 })
  const user = await Client.open(t, path)
  user.send(subscribe(1, 'a'), subscribe(2, 'b'))
  await user.expectRefusal('SUBSCRIPTION_LIMIT', Kind.SUBSCRIBE, 2)
  writeFileSync(configPath, JSON.stringify({ subscriptionsMax: 2 }))
  await reload(broker, 'was read again')
  user.send(subscribe(2, 'b'), subscribe(3, 'c'))
  await user.expectRefusal('SUBSCRIPTION_LIMIT', Kind.SUBSCRIBE, 3)
})

test('a configuration that is broken when it is read again changes nothing', async (t) => {
  const { path, configPath, broker } = await startConfigured(t, { subscriptionsMax: 1 })
  const user = await Client.open(t, path)
  for (const [text, told] of [
    ['{ "subscriptionsMax": 5, "colour": "red" }', 'colour'],
    ['{ "subscriptionsMax": "many" }', 'many'],
    ['{ "subscriptionsMax"', 'no JSON'],
  ] as const) {
    writeFileSync(configPath, text)
    await reload(broker, told)
  }
  user.send(subscribe(1, 'a'), subscribe(2, 'b'))
  await user.expectRefusal('SUBSCRIPTION_LIMIT', Kind.SUBSCRIBE, 2)
})

test('the path may stand in the configuration', async (t) => {
  const path = socketIn(t)
  const configPath = join(dirname(path), 'broker.json')
  writeFileSync(configPath, JSON.stringify({ path }))
  await startBrokerProcess(t, '', { configPath })
  await Client.open(t, path)
})

test('a broker that runs out of descriptors turns clients away, and takes new ones when there are some', async (t) => {
  const path = socketIn(t)
  const broker = spawnBroker(t, path, 'ulimit -n 200;')
  await broker.until(() => broker.stderr.includes('takes clients'))
  const first = await Client.open(t, path)
  const crowd = await Promise.all(Array.from({ length: 300 }, () => Client.connect(t, path)))
  for (const client of crowd) client.send(hello())
  const answers = await Promise.all(crowd.map((client) => client.next().catch(() => undefined)))
  const welcome = answers.filter((frame) => frame?.kind === 'WELCOME').length
  t.true(welcome > 0 && welcome < 300, `${welcome} were welcome`)
  t.like(await first.ask('$SYS.stats'), { pid: broker.pid })
  for (const client of crowd) client.hangUp()
  while ((await first.ask<{ clients: number }>('$SYS.stats')).clients > 1);
  await Client.open(t, path)
})
