import { rmSync } from 'node:fs'
import { type Broker, startBroker } from '../../broker/index.js'
import { RingbusError } from '../../client/index.js'
import { type Bus, connectionLost } from '../bus.js'
import { type ConnectOrder, openSession } from './session.js'
import {
  type EchoOrder,
  FloorServer,
  type PiecesOrder,
  timeEchoes,
  type Written,
  writePieces,
} from './tasks/floor.js'
import { PingPongEnd, type PingPongOrder } from './tasks/ping-pong.js'
import { type Asked, type AskOrder, ask, serveEcho } from './tasks/requests.js'
import { type Published, type PublisherOrder, StreamPublisher } from './tasks/stream-publisher.js'
import { type Received, StreamSubscriber, type SubscriberOrder } from './tasks/stream-subscriber.js'
import { type Answer, type Call, sentForm } from './worker-messages.js'

/*
 * The process that `ringbus bench` starts several times: as a broker, as clients of one, and as the two ends of a bare
 * socket. It ends with its parent, whatever that ends by.
 */

let broker: Broker | undefined
/** Holds what a broker here has made; removed with it, should the parent be killed. */
let directory: string | undefined
let bus: Bus | undefined
/** Rejects when a connection is lost, or something that was sent is refused. */
let failed: Promise<never> | undefined
/** A second connection, where both ends of a ping-pong are here. */
let farBus: Bus | undefined
let near: PingPongEnd | undefined
let far: PingPongEnd | undefined
let publisher: StreamPublisher | undefined
let subscriber: StreamSubscriber | undefined
let floor: FloorServer | undefined
let floorEnded: Promise<Received> | undefined
let streamEnded: Promise<Received> | undefined

const commands = {
  async startBroker(order: { path: string; directory: string }): Promise<void> {
    directory = order.directory
    broker = await startBroker({ path: order.path })
  },

  async connect(order: ConnectOrder): Promise<void> {
    disconnect()
    bus = await openWatched(order)
  },

  /** The same, and a second connection, for the other end of a ping-pong. */
  async connectTwice(order: ConnectOrder): Promise<void> {
    disconnect()
    bus = await openWatched(order)
    farBus = await openWatched(order)
  },

  disconnect(_nothing: null): void {
    disconnect()
  },

  async joinPingPong(order: PingPongOrder): Promise<void> {
    near = new PingPongEnd(connection(), order)
    await near.ready
  },

  /** Makes the other end of this one, at the second connection. */
  async joinFarEnd(order: PingPongOrder): Promise<void> {
    far = new PingPongEnd(farBus!, order)
    await far.ready
  },

  playPingPong(durationMs: number): Promise<void> {
    return unlessFailed(near!.play(durationMs))
  },

  /** Those of every end that is here. */
  takeTimes(_nothing: null): Float64Array[] {
    return [near, far].filter((end) => end !== undefined).map((end) => end.takeTimesNs())
  },

  serveEcho({ topic, concurrency }: { topic: string; concurrency: number }): Promise<void> {
    return serveEcho(connection(), topic, concurrency)
  },

  ask(order: AskOrder): Promise<Asked> {
    return ask(connection(), order)
  },

  async preparePublisher(order: PublisherOrder): Promise<void> {
    publisher = new StreamPublisher(connection(), order)
    await publisher.ready
  },

  publishStream(durationMs: number): Promise<Published> {
    return unlessFailed(publisher!.publish(durationMs))
  },

  async prepareSubscriber(order: SubscriberOrder): Promise<void> {
    subscriber = new StreamSubscriber(connection(), order)
    await subscriber.ready
  },

  /** Returns at once: then the stream may begin. */
  expectStream(_nothing: null): void {
    streamEnded = unlessFailed(subscriber!.nextStream())
    streamEnded.catch(() => {})
  },

  /** Resolves once the stream has ended. */
  awaitStream(_nothing: null): Promise<Received> {
    return streamEnded!
  },

  async listenBare({ path, use }: { path: string; use: 'echo' | 'count' }): Promise<void> {
    floor?.close()
    floorEnded = new Promise((resolve) => {
      floor = new FloorServer(use, (received, endNs) => resolve({ received, endNs }))
    })
    await floor!.listen(path)
  },

  /** Resolves with the bytes of a connection, once that has ended. */
  countBare(_nothing: null): Promise<Received> {
    return floorEnded!
  },

  timeEchoes(order: EchoOrder): Promise<Float64Array> {
    return timeEchoes(order)
  },

  writePieces(order: PiecesOrder): Promise<Written> {
    return writePieces(order)
  },
}

export type WorkerCommands = typeof commands

async function openWatched(order: ConnectOrder): Promise<Bus> {
  const opened = await openSession(order)
  const before = failed ?? new Promise<never>(() => {})
  const refused = new Promise<never>((_resolve, reject) => opened.on('error', reject))
  failed = Promise.race([before, refused, connectionLost(opened)])
  failed.catch(() => {})
  return opened
}

/** Ends what was subscribed and served as well; what is under way there may fail. */
function disconnect(): void {
  bus?.destroy()
  farBus?.destroy()
  bus = undefined
  farBus = undefined
  failed = undefined
  near = undefined
  far = undefined
}

function connection(): Bus {
  if (bus === undefined) throw new RingbusError('DISCONNECTED', 'The worker is not connected')
  return bus
}

/** What waits for messages would wait for ever once none can come. */
function unlessFailed<Result>(task: Promise<Result>): Promise<Result> {
  return Promise.race([task, failed!])
}

async function answer({ id, command, argument }: Call): Promise<void> {
  let result: Answer
  try {
    const run = commands[command as keyof WorkerCommands] as (argument: unknown) => unknown
    result = { id, result: await run(argument) }
  } catch (error) {
    result = { id, error: sentForm(error) }
  }
  if (process.connected) process.send!(result)
}

async function endWithParent(): Promise<void> {
  disconnect()
  floor?.close()
  await broker?.destroy()
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  process.exit()
}

process.on('message', (call: Call) => void answer(call))
process.on('disconnect', () => void endWithParent())
