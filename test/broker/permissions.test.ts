import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type BrokerOptions, type PermissionRule, startBroker } from '../../broker/index.js'
import { Kind } from '../../protocol/index.js'
import { type Bench, socketIn, startBench } from './fixtures.js'
import { hello, keep, publish, reply, request, requestStream, serve, subscribe, topic } from './frames.js'
import { startBrokerProcess } from './processes.js'
import { Client } from './transcript.js'

const uid = process.getuid!()

/** A broker that holds this user to a rule. */
function startRuled(t: ExecutionContext, rule: PermissionRule, options: BrokerOptions = {}): Promise<Bench> {
  return startBench(t, { ...options, permissions: [{ user: uid, ...rule }] })
}

/** What a test needs to see what happens. */
const OBSERVER: PermissionRule = { subscribe: ['>', '$SYS.>'], request: ['$SYS.>'] }

test('[ERR-6] a message on a topic that is not allowed is refused by the name of the rule, and nobody gets it', async (t) => {
  const { client } = await startRuled(t, { ...OBSERVER, publish: ['ok.*'] })
  const [publisher, reader] = [await client(), await client()]
  reader.send(subscribe(1, '>'))
  await reader.expectNothing()
  publisher.send(topic(0, 'ok.a'), topic(1, 'secret'), topic(2, 'ok.a.b'), topic(3, 'ok.b'))
  await publisher.expectNothing()
  publisher.send(publish(1, 'no'), publish(0, 'yes'), publish(2, 'no'), publish(3, 'yes, too'))
  const refusal = await publisher.expect('ERROR', { topic: Kind.MESSAGE, id: 0 })
  t.is(refusal.body['code'], 'PERMISSION_DENIED')
  t.is(refusal.body['message'], `The client may not publish on "secret", by permissions[0] (user ${uid})`)
  await publisher.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  await publisher.expectNothing()
  t.deepEqual(
    (await reader.arrived()).map(({ name, text }) => [name, text]),
    [
      ['ok.a', 'yes'],
      ['ok.b', 'yes, too'],
    ],
  )
})

test('[ERR-6] [RETAIN-1] what may not be published is not kept, and nobody is greeted who may not subscribe', async (t) => {
  const { client } = await startRuled(t, { publish: ['ok.*'], subscribe: ['ok.>'], request: ['$SYS.>'] })
  const [publisher, reader] = [await client(), await client()]
  publisher.send(topic(0, 'ok.a'), topic(1, 'secret'), keep(0, 'kept'), keep(1, 'refused'))
  await publisher.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  const { rows } = await publisher.ask<{ rows: object[] }>('$SYS.retained')
  t.like(rows, [{ topic: 'ok.a' }])
  t.is(rows.length, 1)
  for (const [id, pattern] of [
    [1, '>'],
    [2, '*.a'],
  ] as const) {
    reader.send(subscribe(id, pattern, { retained: true }))
    await reader.expectRefusal('PERMISSION_DENIED', Kind.SUBSCRIBE, id)
  }
  reader.send(subscribe(3, 'ok.*', { retained: true }))
  await reader.expect('MESSAGE', { text: 'kept', consumer: 3 })
  await reader.expectNothing()
})

test('what is denied is counted, of each client and of all', async (t) => {
  const { client } = await startRuled(t, OBSERVER)
  const [denied, other, observer] = [await client('denied'), await client('other'), await client('observer')]
  denied.send(topic(0, 'a'), publish(0, '1'), publish(0, '2'), serve(2, 'a'), request(0, 5))
  for (const kind of [Kind.MESSAGE, Kind.MESSAGE]) await denied.expectRefusal('PERMISSION_DENIED', kind, 0)
  await denied.expectRefusal('PERMISSION_DENIED', Kind.SERVE, 2)
  await denied.expect('FAILURE', { id: 5 })
  other.send(topic(0, 'a'), publish(0, '1'))
  await other.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  t.like(await observer.ask('$SYS.stats'), { messagesDenied: 3, messagesRouted: 0 })
  const { rows } = await observer.ask<{ rows: object[] }>('$SYS.clients')
  t.like(rows, [
    { name: 'denied', denials: 4, messagesReceived: 2 },
    { name: 'other', denials: 1 },
    { name: 'observer', denials: 0 },
  ])
})

test('an alias that is bound anew has the verdict of its new topic', async (t) => {
  const { client } = await startRuled(t, { ...OBSERVER, publish: ['ok'] })
  const [publisher, reader] = [await client(), await client()]
  reader.send(subscribe(1, '>'))
  await reader.expectNothing()
  publisher.send(
    topic(0, 'no'),
    publish(0, '1'),
    topic(0, 'ok'),
    publish(0, '2'),
    topic(0, 'no'),
    publish(0, '3'),
  )
  await publisher.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  await publisher.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  t.deepEqual(
    (await reader.arrived()).map(({ text }) => text),
    ['2'],
  )
})

test('topics that were bound and denied are forgotten as others are', async (t) => {
  const { client } = await startRuled(t, { ...OBSERVER, publish: ['ok'] })
  const [denied, observer] = [await client(), await client()]
  const topics = async () =>
    (await observer.ask<{ rows: { topic: string }[] }>('$SYS.topics')).rows.map((row) => row.topic).sort()
  denied.send(topic(0, 'no'), topic(1, 'ok'), topic(2, 'no'))
  await denied.expectNothing()
  t.deepEqual(await topics(), ['$SYS.topics', 'no', 'ok'])
  denied.send(topic(0, 'ok'))
  await denied.expectNothing()
  t.deepEqual(await topics(), ['$SYS.topics', 'no', 'ok'])
  denied.send(topic(2, 'ok'))
  await denied.expectNothing()
  t.deepEqual(await topics(), ['$SYS.topics', 'ok'])
  denied.send(topic(3, 'no'))
  await denied.expectNothing()
  observer.send(subscribe(1, '$SYS.client.disconnected'))
  await observer.expectNothing()
  denied.hangUp()
  await observer.expect('MESSAGE')
  t.deepEqual(await topics(), ['$SYS.topics'])
})

test('the broker’s own topics are reserved for whom may do nothing, too', async (t) => {
  const { client } = await startRuled(t, {})
  const user = await client()
  user.send(topic(0, '$SYS.x'), publish(0, 'x'), serve(1, '$SYS.x'))
  await user.expectRefusal('TOPIC_RESERVED', Kind.MESSAGE, 0)
  await user.expectRefusal('TOPIC_RESERVED', Kind.SERVE, 1)
})

test('[ERR-6] a subscription or service that one allowed pattern does not cover is refused, and its id is free', async (t) => {
  const { client } = await startRuled(t, { subscribe: ['a.*'], serve: ['s.>'], publish: ['>'] })
  const [user, publisher] = [await client(), await client()]
  user.send(subscribe(1, 'a.>'), subscribe(2, '>'), subscribe(3, 'b'), subscribe(4, 'a'))
  for (const id of [1, 2, 3, 4]) await user.expectRefusal('PERMISSION_DENIED', Kind.SUBSCRIBE, id)
  user.send(serve(1, '>'), serve(2, 's'))
  for (const id of [1, 2]) await user.expectRefusal('PERMISSION_DENIED', Kind.SERVE, id)
  user.send(subscribe(1, 'a.*'), subscribe(2, 'a.b'), serve(3, 's.*.t'))
  await user.expectNothing()
  publisher.send(topic(0, 'a.b'), topic(1, 'b'), publish(0, 'x'), publish(1, 'y'))
  t.deepEqual(await user.texts(2), ['x', 'x'])
  await user.expectNothing()
})

test('[ERR-6] a request that is not allowed fails; the others go on', async (t) => {
  const { client } = await startRuled(t, { serve: ['>'], request: ['ok'] })
  const [requester, responder] = [await client(), await client()]
  responder.send(serve(1, '>', 10))
  await responder.expectNothing()
  requester.send(topic(0, 'no'), topic(1, 'ok'), request(0, 5), requestStream(0, 6), request(1, 7))
  for (const id of [5, 6]) {
    const { body } = await requester.expect('FAILURE', { id })
    t.is(body['code'], 'PERMISSION_DENIED')
    t.is(body['message'], `The client may not request "no", by permissions[0] (user ${uid})`)
  }
  const link = await responder.expect('REQUEST', { name: 'ok' })
  responder.send(reply(link.id, 'done'))
  await requester.expect('REPLY', { id: 7, text: 'done' })
  await responder.expectNothing()
})

test('publishing and requesting are allowed apart: one alias may do for either alone', async (t) => {
  const { client } = await startRuled(t, { publish: ['p'], request: ['r'], subscribe: ['>'], serve: ['>'] })
  const [user, other] = [await client(), await client()]
  other.send(subscribe(1, '>'), serve(2, '>', 10))
  await other.expectNothing()
  user.send(
    topic(0, 'p'),
    topic(1, 'r'),
    request(0, 1),
    publish(1, 'no'),
    publish(0, 'yes'),
    request(1, 2, 'ask'),
  )
  t.is((await user.expect('FAILURE', { id: 1 })).body['code'], 'PERMISSION_DENIED')
  await user.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  await other.expect('MESSAGE', { name: 'p', text: 'yes' })
  await other.expect('REQUEST', { name: 'r', text: 'ask' })
  await other.expectNothing()
})

test('what the broker says of itself needs a pattern that says so', async (t) => {
  const everything = { publish: ['>'], subscribe: ['>'], serve: ['>'], request: ['>'] }
  const { client } = await startRuled(t, everything)
  const user = await client()
  user.send(subscribe(1, '$SYS.>'), topic(0, '$SYS.topics'), request(0, 5))
  await user.expectRefusal('PERMISSION_DENIED', Kind.SUBSCRIBE, 1)
  t.is((await user.expect('FAILURE', { id: 5 })).body['code'], 'PERMISSION_DENIED')
  user.send(subscribe(1, '>'))
  await user.expectNothing()
  await client()
  await user.expectNothing()
})

test('the first denial of a client is logged, with its rule; the others are only counted', async (t) => {
  const lines: unknown[] = []
  const log = () => {}
  const logger = { debug: log, info: log, error: log, warn: (fields: object) => lines.push(fields) }
  const { client } = await startRuled(t, {}, { logger })
  const user = await client('clumsy')
  user.send(topic(0, 'a'), publish(0, '1'), publish(0, '2'), subscribe(1, 'a'))
  for (let count = 0; count < 3; count++) await user.expect('ERROR')
  t.like(lines, [{ name: 'clumsy', pid: process.pid, uid, code: 'PERMISSION_DENIED' }])
  t.is(lines.length, 1)
})

test('a client keeps what it was granted when it connected; a reload is for those that come after it', async (t) => {
  const { client, broker } = await startRuled(t, { publish: ['a'], subscribe: ['>'] })
  const early = await client()
  const failure = t.throws(() => broker.reconfigure({ permissions: [{ publish: ['a.>.b'] }] }), {
    code: 'CONFIG_INVALID',
  })
  t.regex(failure!.message, /permissions\.0\.publish\.0/)
  broker.reconfigure({ permissions: [{ user: uid, publish: ['b'], subscribe: ['>'] }] })
  const late = await client()
  early.send(subscribe(1, '>'))
  await early.expectNothing()
  early.send(topic(0, 'a'), topic(1, 'b'), publish(0, 'early'), publish(1, 'early'))
  await early.expect('MESSAGE', { name: 'a', text: 'early' })
  await early.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  late.send(topic(0, 'a'), topic(1, 'b'), publish(0, 'late'), publish(1, 'late'))
  await late.expectRefusal('PERMISSION_DENIED', Kind.MESSAGE, 0)
  await early.expect('MESSAGE', { name: 'b', text: 'late' })
  broker.reconfigure({})
  const free = await client()
  free.send(topic(0, 'c'), publish(0, 'free'), subscribe(1, '$SYS.>'))
  await free.expectNothing()
  await early.expect('MESSAGE', { name: 'c', text: 'free' })
})

const WRONG: [permissions: unknown, place: string][] = [
  [{}, 'permissions'],
  [[{ user: -1 }], 'permissions.0.user'],
  [[{ user: 'root' }], 'permissions.0.user'],
  [[{ group: 2 ** 32 - 1 }], 'permissions.0.group'],
  [[{}, { publish: 'a' }], 'permissions.1.publish'],
  [[{ publish: ['a..b'] }], 'permissions.0.publish.0'],
  [[{ publish: ['$SYS.x'] }], 'permissions.0.publish.0'],
  [[{ serve: ['a', '$SYS.x'] }], 'permissions.0.serve.1'],
  [[{ subscribe: ['a*'] }], 'permissions.0.subscribe.0'],
  [[{ request: ['>.a'] }], 'permissions.0.request.0'],
  [[{ queue: ['a'] }], 'queue'],
  [Array.from({ length: 1025 }, () => ({})), 'permissions'],
  [[{ publish: Array.from({ length: 257 }, () => 'a') }], 'permissions.0.publish'],
]

for (const [index, [permissions, place]] of WRONG.entries()) {
  test(`rules that are wrong are refused by their place: ${place} (${index})`, async (t) => {
    const path = socketIn(t)
    const options = { path, permissions } as BrokerOptions
    const { message } = (await t.throwsAsync(startBroker(options), { code: 'CONFIG_INVALID' }))!
    t.true(message.includes(`\`${place}\``), message)
  })
}

test('without the addon nobody can be held to rules: such a broker does not start', async (t) => {
  const path = socketIn(t)
  const configPath = join(dirname(path), 'broker.json')
  const env = { RINGBUS_NO_ADDON: '1' }
  writeFileSync(configPath, JSON.stringify({ permissions: [] }))
  await t.throwsAsync(startBrokerProcess(t, path, { configPath, env }), {
    message: /`permissions` need the native addon[\s\S]*CONFIG_INVALID/,
  })
  // Nor does one that runs without rules take any.
  writeFileSync(configPath, '{}')
  const broker = await startBrokerProcess(t, path, { configPath, env })
  writeFileSync(configPath, JSON.stringify({ permissions: [] }))
  broker.process.kill('SIGHUP')
  await broker.until(() => broker.stderr.includes('was not taken'))
  t.regex(broker.stderr, /need the native addon/)
  const user = await Client.open(t, path)
  user.send(subscribe(1, '>'), hello())
  await user.expectFatal('UNEXPECTED_FRAME')
})
