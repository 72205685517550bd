import './with-parent.js'
import { connect, type Loan, type Message, type RingbusClient } from '../../client/index.js'

/*
 * A client in a process of its own, to be killed with something in its hands. Begins when its parent sends it a part,
 * and says 'ready'.
 *
 *   responder  serves `topic` with `count` places, answers nothing, and says 'given' for each request
 *   reader     keeps `count` views of `topic`, and says 'holding'
 *   lender     publishes `count` messages of `topic`, then keeps `count` spans of its ring that it never publishes, and
 *              says 'lent'
 */
export interface VictimPart {
  readonly role: 'responder' | 'reader' | 'lender'
  readonly path: string
  readonly topic: string
  readonly count: number
  /** Bytes of a message. */
  readonly byteLength: number
}

const FOR_EVER = new Promise<void>(() => {})

/** What it never lets go. */
const held: (Message | Loan<undefined>)[] = []

const ROLES: Record<VictimPart['role'], (bus: RingbusClient, part: VictimPart) => Promise<void>> = {
  async responder(bus, { topic, count }) {
    const handler = () => {
      process.send!('given')
      return FOR_EVER
    }
    await bus.serve(topic, handler, { concurrency: count }).ready
  },

  async reader(bus, { topic, count }) {
    const keep = (message: Message) => {
      held.push(message)
      if (held.length === count) process.send!('holding')
      return FOR_EVER
    }
    await bus.subscribe(topic, { view: true, concurrency: count }, keep).ready
  },

  async lender(bus, { topic, count, byteLength }) {
    while (held.length < count) held.push(await bus.loan(topic, byteLength))
    for (let number = 0; number < count; number++) bus.publish(topic, Buffer.alloc(byteLength, number))
    await bus.flush()
    process.send!('lent')
  },
}

process.once('message', async (part: VictimPart) => {
  const bus = await connect({ path: part.path, name: part.role })
  await ROLES[part.role](bus, part)
  process.send!('ready')
})
