import test from 'ava'
import {
  type Body,
  type BodyKind,
  CONTROL_BYTES_MAX,
  controlFrame,
  decodeBody,
  decodeName,
  encodeBody,
  FrameWriter,
  HEADER_BYTES,
  Kind,
  kindName,
  packValue,
  RingbusError,
} from '../../protocol/index.js'

const LIMITS = { payloadBytesMax: 1, aliases: 2, subscriptionsMax: 3, servicesMax: 4, requestsMax: 5 }

/** Per kind a whole body, and which of its fields may be missing: the table of [WIRE-2.5] once more. */
const BODIES: { [K in BodyKind]: { body: Required<Body<K>>; optional: readonly string[] } } = {
  [Kind.HELLO]: {
    body: { name: 'till', pid: 1, capabilities: { ring: 1 } },
    optional: ['name', 'pid', 'capabilities'],
  },
  [Kind.WELCOME]: {
    body: { clientId: 1, brokerVersion: '1', features: ['ring'], limits: LIMITS, token: Buffer.alloc(16, 7) },
    optional: [],
  },
  [Kind.ERROR]: {
    body: { code: 'BAD_FRAME', message: 'no', fatal: true, details: { limit: 1 } },
    optional: ['fatal', 'details'],
  },
  [Kind.SUBSCRIBE]: {
    body: {
      pattern: 'a.>',
      group: 'g',
      window: 2 ** 40,
      overflow: 'latest',
      backlogBytes: 1,
      backlogMessages: 2,
      retained: false,
    },
    optional: ['group', 'overflow', 'backlogBytes', 'backlogMessages', 'retained'],
  },
  [Kind.UNSUBSCRIBE]: { body: { drain: true }, optional: ['drain'] },
  [Kind.DRAINED]: { body: { matched: 5, dropped: 0 }, optional: ['matched', 'dropped'] },
  [Kind.CREDIT]: {
    body: { bytes: 1, messages: 2, expired: 3, discarded: 4 },
    optional: ['messages', 'expired', 'discarded'],
  },
  [Kind.SLOW]: { body: { slow: true, dropped: 1, queued: 2, queuedBytes: 3 }, optional: [] },
  [Kind.LATENCY]: { body: { samples: [['a', 5]] }, optional: [] },
  [Kind.SERVE]: { body: { pattern: 'a', concurrency: 8 }, optional: [] },
  [Kind.FAILURE]: { body: { code: 'TIMEOUT', message: '', details: {} }, optional: ['details'] },
  [Kind.PULL]: { body: { bytes: 4_294_967_296 }, optional: [] },
  [Kind.ATTACH]: { body: { client: 3, token: Buffer.alloc(16, 9) }, optional: [] },
  [Kind.GRANT]: { body: { bytes: 65_536 }, optional: [] },
  [Kind.OPEN]: { body: { bytes: 1 }, optional: [] },
  [Kind.PAIR]: { body: { bytes: 65_536 }, optional: [] },
  [Kind.SEGMENT]: { body: { bytes: 2 ** 30 }, optional: [] },
  [Kind.DECLINE]: { body: { code: 'EMFILE', message: 'too many open files' }, optional: [] },
  [Kind.ABORT]: {
    body: { position: 2 ** 53 - 1, length: 64, padding: 3, restarted: true },
    optional: ['restarted'],
  },
}

const KINDS = Object.keys(BODIES).map(Number) as BodyKind[]

function decode(kind: BodyKind, body: unknown): unknown {
  const frame = controlFrame(kind, 0, 0, packValue(body))
  return decodeBody(kind, frame, 0, frame.readUInt32LE(0))
}

function badFrameAbout(kind: BodyKind, what: string) {
  return { instanceOf: RingbusError, code: 'BAD_FRAME', message: new RegExp(`^${kindName(kind)} .*${what}`) }
}

/** Values that no field of the type may have. */
function wrongValues(right: unknown): unknown[] {
  if (typeof right === 'string') return [1, true, [], {}, Buffer.from('a')]
  if (typeof right === 'number') return ['1', -1, 1.5, Number.NaN, 2 ** 53, 2n ** 63n, true, [], {}]
  if (typeof right === 'boolean') return [0, 1, 'true', {}]
  if (Buffer.isBuffer(right)) return ['bytes', [1], {}]
  if (Array.isArray(right)) return ['list', { 0: 'ring', length: 1 }, Buffer.from('a')]
  return ['map', 1, [], Buffer.from('a'), new Date(0)]
}

for (const kind of KINDS) {
  const { optional } = BODIES[kind]
  const body: Record<string, unknown> = BODIES[kind].body
  const name = kindName(kind)

  test(`[WIRE-2.5] ${name}: a whole body comes back, inside of any chunk`, (t) => {
    const frame = controlFrame(kind, 0, 0, encodeBody(kind, BODIES[kind].body as never))
    const chunk = Buffer.concat([Buffer.from('before'), frame, Buffer.from('behind')])
    t.deepEqual(decodeBody(kind, chunk, 6, frame.readUInt32LE(0)) as unknown, body)
  })

  test(`[WIRE-2.5] ${name}: unknown fields are ignored`, (t) => {
    t.notThrows(() => decode(kind, { ...body, somethingNew: [1, 2] }))
  })

  for (const field of Object.keys(body)) {
    const { [field]: _, ...rest } = body

    if (optional.includes(field)) {
      test(`[WIRE-2.5] ${name}: \`${field}\` may be missing or nil`, (t) => {
        t.notThrows(() => decode(kind, rest))
        t.notThrows(() => decode(kind, { ...rest, [field]: null }))
      })
    } else {
      test(`[WIRE-2.5] ${name}: \`${field}\` must be there`, (t) => {
        t.throws(() => decode(kind, rest), badFrameAbout(kind, `\`${field}\``))
        t.throws(() => decode(kind, { ...rest, [field]: null }), badFrameAbout(kind, `\`${field}\``))
      })
    }

    test(`[WIRE-2.5] ${name}: \`${field}\` must have its type`, (t) => {
      for (const wrong of wrongValues(body[field])) {
        t.throws(() => decode(kind, { ...body, [field]: wrong }), badFrameAbout(kind, `\`${field}\``))
      }
    })
  }

  test(`[WIRE-2.5] ${name}: a body that is no map`, (t) => {
    for (const wrong of [null, 1, 'map', [], Buffer.from('a'), new Date(0)]) {
      t.throws(() => decode(kind, wrong), badFrameAbout(kind, 'no map'))
    }
    const noMsgpack = controlFrame(kind, 0, 0, Buffer.from([0x81]))
    t.throws(() => decodeBody(kind, noMsgpack, 0, 17), badFrameAbout(kind, 'no msgpack'))
  })

  test(`[WIRE-2.5] ${name}: no body is a map without fields`, (t) => {
    const frame = controlFrame(kind, 0, 0)
    const decodeEmpty = () => decodeBody(kind, frame, 0, HEADER_BYTES)
    if (optional.length === Object.keys(body).length) t.deepEqual(decodeEmpty() as unknown, {})
    else t.throws(decodeEmpty, badFrameAbout(kind, 'lacks'))
  })
}

test('[WIRE-2.5] an integer may come in any form of msgpack', (t) => {
  for (const form of [
    '07',
    'cc07',
    'cd0007',
    'ce00000007',
    'cf0000000000000007',
    'd007',
    'd30000000000000007',
    'cb401c000000000000',
  ]) {
    const body = Buffer.from(`81a56279746573${form}`, 'hex')
    const frame = controlFrame(Kind.PULL, 0, 0, body)
    t.is(decodeBody(Kind.PULL, frame, 0, frame.readUInt32LE(0)).bytes, 7)
  }
})

test('[WIRE-1.6] a body longer than a peer accepts is not encoded', (t) => {
  const body = { pattern: 'x'.repeat(CONTROL_BYTES_MAX), window: 0 }
  t.throws(() => encodeBody(Kind.SUBSCRIBE, body), { code: 'ENCODE_FAILED', message: /SUBSCRIBE .* 65536/ })
})

test('[ERR-5] an error too long to be sent is cut: its message shortened, its details left out', (t) => {
  const long = 'ß'.repeat(CONTROL_BYTES_MAX)
  for (const [message, details] of [
    [long, { a: 1 }],
    ['short', { long }],
  ] as const) {
    const bytes = encodeBody(Kind.ERROR, { code: 'BAD_TOPIC', message, fatal: true, details })
    t.true(bytes.length <= CONTROL_BYTES_MAX)
    const frame = controlFrame(Kind.ERROR, 0, 0, bytes)
    const body = decodeBody(Kind.ERROR, frame, 0, frame.readUInt32LE(0))
    t.like(body, { code: 'BAD_TOPIC', fatal: true, details: undefined })
    t.true(body.message.startsWith(message.slice(0, 1024)))
  }
})

test('[WIRE-2.5] a writer marks maps as msgpack, names as text, and no body as nothing', (t) => {
  const written: Buffer[] = []
  const writer = new FrameWriter({
    write(bytes) {
      written.push(bytes)
      return false
    },
  })
  writer.control(Kind.TOPIC, 3, 0, Buffer.from('a.b'))
  writer.control(Kind.UNSUBSCRIBE, 0, 4, encodeBody(Kind.UNSUBSCRIBE, {}))
  writer.control(Kind.FLUSH, 0, 5)
  writer.flush()
  const expected = [
    controlFrame(Kind.TOPIC, 3, 0, Buffer.from('a.b')),
    controlFrame(Kind.UNSUBSCRIBE, 0, 4, encodeBody(Kind.UNSUBSCRIBE, {})),
    controlFrame(Kind.FLUSH, 0, 5),
  ]
  t.deepEqual(
    expected.map((frame) => frame[7]),
    [1, 2, 0],
  )
  t.deepEqual(Buffer.concat(written), Buffer.concat(expected))
})

test('[TOPIC-2] a name of broken UTF-8 decodes to what no topic may hold', (t) => {
  const frame = controlFrame(Kind.NAME, 1, 0, Buffer.from([0x61, 0xc3]))
  t.is(decodeName(frame, 0, 18), 'a\ufffd')
})
