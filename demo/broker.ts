import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { startBroker } from '../broker/index.js'
import { leaveParent, tellReady, untilEnded } from './microservice.js'

/*
 * The broker, as a process of its own at the path that the first argument names. `ringbus broker` is what a
 * real system runs instead.
 */
const path = process.argv[2]
if (path === undefined) throw new Error('The demo starts this process; run `npm start`')
const ended = untilEnded()
const broker = await startBroker({ path })
tellReady()
const reason = await ended
await broker.close()
// The parent would have done so.
if (reason === 'parent gone') await rm(dirname(path), { recursive: true })
leaveParent()
