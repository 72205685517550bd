import type { BrokerOptions } from '../../broker/index.js'
import { startBroker } from '../../broker/index.js'
import { connect, RingbusError } from '../../client/index.js'
import { loadNative } from '../../shmring/index.js'

/*
 * A process of another user, which becomes that user before it does anything: `user-child.js <uid> <gid>`. It does
 * what its parent tells it, one thing at a time, and says what came of it.
 */

/** What the parent tells it. */
export type Task =
  | { do: 'start'; options: BrokerOptions }
  | { do: 'connect'; path: string; brokerUid?: number }
  | { do: 'publish' | 'subscribe' | 'serve' | 'request'; topic: string }
  | { do: 'received' }

/** What it says: the code of an error, or what the task brought. */
export type Outcome = { code: string; message: string } | { code: 'OK'; value: unknown }

// Whatever lies in a folder that the other user cannot read is loaded while this one still can.
loadNative()
const [uid, gid] = process.argv.slice(2).map(Number) as [number, number]
process.setgroups!([])
process.setgid!(gid)
process.setuid!(uid)

let bus: Awaited<ReturnType<typeof connect>>
const received: string[] = []
const errors: RingbusError[] = []

async function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case 'start':
      return (await startBroker(task.options)).path
    case 'connect':
      bus = await connect({ path: task.path, brokerUid: task.brokerUid, reconnect: false })
      bus.on('error', (error) => errors.push(error))
      return undefined
    case 'subscribe':
      return bus.subscribe(task.topic, ({ topic }) => received.push(topic)).ready
    case 'serve':
      return bus.serve(task.topic, ({ topic }) => `${uid} answers ${topic}`).ready
    case 'request':
      return (await bus.request(task.topic, '')).data
    case 'publish':
      bus.publish(task.topic, '')
      await bus.flush()
      if (errors.length > 0) throw errors.shift()
      return undefined
    case 'received':
      // The answer to a flush may overtake what the frames before it have set free in a backlog.
      for (let round = 0; round < 2; round++) await bus.flush()
      await new Promise(setImmediate)
      return received.splice(0)
  }
}

process.on('message', async (task: Task) => {
  const outcome: Outcome = await perform(task).then(
    (value) => ({ code: 'OK', value: value ?? null }),
    (error) => ({ code: error instanceof RingbusError ? error.code : 'OTHER', message: String(error) }),
  )
  process.send!(outcome)
})
process.send!('ready')
