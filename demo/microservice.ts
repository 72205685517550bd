import { connect, type RingbusClient } from '../client/index.js'

/** What a microservice does when it is to end: stop serving, tell what is untold. */
export type Stop = () => Promise<void>

/**
 * Runs this process as a microservice: connects it to the broker that its first argument names, starts it, tells
 * its parent that it is ready, and ends it on SIGTERM, or when the parent or the broker is gone.
 */
export async function runMicroservice(
  name: string,
  start: (bus: RingbusClient) => Promise<Stop>,
): Promise<void> {
  const path = process.argv[2]
  if (path === undefined) throw new Error('The demo starts this process; run `npm start`')
  const ended = untilEnded()
  // No reconnection: a broker that is gone does not come back, and the demo is over.
  const bus = await connect({ path, name, reconnect: false })
  const stop = await start(bus)
  tellReady()
  const reason = await Promise.race([ended, bus.closed.then(() => 'broker gone')])
  // Without the others there is nobody left to tell anything, nor anything to wait for.
  if (reason !== 'told to end') process.exit(1)
  await stop()
  await bus.close()
  leaveParent()
}

/** Resolves when the parent asks this process to end, or is gone itself. */
export function untilEnded(): Promise<'told to end' | 'parent gone'> {
  // A terminal sends Ctrl-C to all processes at once; the parent ends them in order.
  process.on('SIGINT', () => {})
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('told to end'))
    process.once('disconnect', () => resolve('parent gone'))
  })
}

export function tellReady(): void {
  process.send?.('ready')
}

/** Lets go of the parent, so that nothing keeps this process alive. */
export function leaveParent(): void {
  if (process.connected) process.disconnect()
}
