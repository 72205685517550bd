import { startBroker } from '../broker/index.js'
import { leaveParent, tellReady, untilToldToEnd } from './microservice.js'

/*
 * The broker, as a process of its own at the path that the first argument names. `ringbus broker` is what a
 * real system runs instead.
 */
const path = process.argv[2]
if (path === undefined) throw new Error('The demo starts this process; run `npm start`')
const toldToEnd = untilToldToEnd()
const broker = await startBroker({ path })
tellReady()
await toldToEnd
await broker.close()
leaveParent()
