import test, { type ExecutionContext } from 'ava'
import { startBench } from './fixtures.js'
import { credit, publish, subscribe, topic, unsubscribe } from './frames.js'
import type { Client } from './transcript.js'

const JOBS = { group: 'workers' }

async function publishJobs(publisher: Client, count: number): Promise<string[]> {
  const jobs = Array.from({ length: count }, (_, index) => `job ${index}`)
  publisher.send(topic(0, 'jobs.new'), ...jobs.map((job) => publish(0, job)))
  await publisher.expectNothing()
  return jobs
}

async function arrivedAt(members: readonly Client[]): Promise<string[][]> {
  return Promise.all(members.map(async (member) => (await member.arrived()).map(({ text }) => text)))
}

async function startGroup(t: ExecutionContext, size: number) {
  const bench = await startBench(t)
  const publisher = await bench.client('publisher')
  const members: Client[] = []
  for (let index = 0; index < size; index++) {
    const member = await bench.client(`member ${index}`)
    member.send(subscribe(1, 'jobs.*', JOBS))
    await member.expectNothing()
    members.push(member)
  }
  return { ...bench, publisher, members }
}

test('[SUB-7] each message goes to one member, and the work is even', async (t) => {
  const { publisher, members } = await startGroup(t, 3)
  const jobs = await publishJobs(publisher, 300)
  const arrived = await arrivedAt(members)
  t.deepEqual(arrived.flat().sort(), jobs.sort())
  t.deepEqual(
    arrived.map((texts) => texts.length),
    [100, 100, 100],
  )
})

test('[SUB-7] the member with the least outstanding gets the next message', async (t) => {
  const { publisher, members } = await startGroup(t, 2)
  await publishJobs(publisher, 10)
  const [slow, quick] = members as [Client, Client]
  const handled = (await quick.arrived()).length
  t.is(handled, 5)
  quick.send(credit(1, 100, handled))
  await quick.expectNothing()
  await publishJobs(publisher, 5)
  t.is((await quick.arrived()).length, 5)
  t.is((await slow.arrived()).length, 5)
})

test('[SUB-7] members who are equally free take turns', async (t) => {
  const { publisher, members } = await startGroup(t, 2)
  const counts = [0, 0]
  for (let round = 0; round < 20; round++) {
    await publishJobs(publisher, 1)
    for (const [index, member] of members.entries()) {
      const arrived = (await member.arrived()).length
      counts[index]! += arrived
      if (arrived > 0) member.send(credit(1, 100, arrived))
      await member.expectNothing()
    }
  }
  t.deepEqual(counts, [10, 10])
})

test('[SUB-7] two groups whose messages alternate take turns within each', async (t) => {
  const { publisher, members, client } = await startGroup(t, 2)
  const others = [await client(), await client()]
  for (const other of others) {
    other.send(subscribe(1, 'jobs.*', { group: 'auditors' }))
    await other.expectNothing()
  }
  const counts = [0, 0, 0, 0]
  for (let round = 0; round < 10; round++) {
    await publishJobs(publisher, 1)
    for (const [index, member] of [...members, ...others].entries()) {
      const arrived = (await member.arrived()).length
      counts[index]! += arrived
      if (arrived > 0) member.send(credit(1, 100, arrived))
      await member.expectNothing()
    }
  }
  t.deepEqual(counts, [5, 5, 5, 5])
})

test('[SUB-6] [SUB-7] every group gets each message once, beside those who are in none', async (t) => {
  const { publisher, members, client } = await startGroup(t, 2)
  const [alone, auditor] = [await client(), await client()]
  alone.send(subscribe(1, 'jobs.new'), subscribe(2, '>'))
  auditor.send(subscribe(1, 'jobs.*', { group: 'auditors' }))
  await alone.expectNothing()
  await auditor.expectNothing()
  const jobs = await publishJobs(publisher, 10)
  const [first, second, audited, all] = await arrivedAt([...members, auditor, alone])
  t.deepEqual([...first!, ...second!].sort(), jobs)
  t.deepEqual(audited, jobs)
  t.is(all!.length, 20)
})

test('a group spans patterns, as in NATS: a message that matches two of them has one reader', async (t) => {
  const { publisher, members, client } = await startGroup(t, 1)
  const other = await client()
  other.send(subscribe(1, 'jobs.new', JOBS))
  await other.expectNothing()
  const jobs = await publishJobs(publisher, 10)
  const arrived = await arrivedAt([...members, other])
  t.deepEqual(arrived.flat().sort(), jobs)
  t.deepEqual(
    arrived.map((texts) => texts.length),
    [5, 5],
  )
})

test('[SUB-7] [WIRE-2.7] when a member dies or leaves, the others get what comes then', async (t) => {
  const { publisher, members, client } = await startGroup(t, 3)
  const watcher = await client()
  watcher.send(subscribe(1, '$SYS.client.disconnected'))
  await watcher.expectNothing()
  const [dying, leaving, staying] = members as [Client, Client, Client]
  dying.hangUp()
  leaving.send(unsubscribe(1))
  await leaving.expect('DRAINED')
  await watcher.expect('MESSAGE')
  const jobs = await publishJobs(publisher, 9)
  t.deepEqual(await staying.texts(9), jobs)
  await leaving.expectNothing()
})
