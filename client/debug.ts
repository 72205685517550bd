import { debuglog } from 'node:util'

/** What a client does, on standard error, with NODE_DEBUG=ringbus. */
export const debug = debuglog('ringbus')
