// Runs in a project that has ringbus installed: a broker at the given path, until its parent disconnects. Tells
// the parent which addon it has loaded.
import { loadedAddon } from './loaded-addon.js'

/** Not a literal: the compiler would look for the package in this checkout, where it may not be built yet. */
const entry: string = 'ringbus/broker'
const { startBroker } = (await import(entry)) as typeof import('../../broker/index.js')

const broker = await startBroker({ path: process.argv[2]! })
process.send!({ addon: loadedAddon() })
process.once('disconnect', () => broker.close())
