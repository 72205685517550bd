import { parseSettings } from '../../broker/config.js'
import type { BrokerSettings } from '../../broker/index.js'

export const HOUR_MS = 3_600_000

/** Every time that a broker can be told, an hour; so are those that are not thought of yet. */
export function hourSettings(): BrokerSettings {
  const { limits } = parseSettings({}, 'hourSettings')
  const names = Object.keys(limits).filter((name) => name.endsWith('Ms'))
  return Object.fromEntries(names.map((name) => [name, HOUR_MS]))
}

/**
 * No timer that this process sets from now on fires within the next hour, whatever it was set to: what happens all the
 * same hangs on none.
 */
export function putTimersOff(): void {
  const { setTimeout: after, setInterval: every } = globalThis
  type Act = (...parameters: unknown[]) => void
  const timers = {
    setTimeout: (act: Act, _delayMs?: number, ...parameters: unknown[]) => after(act, HOUR_MS, ...parameters),
    setInterval: (act: Act, _delayMs?: number, ...parameters: unknown[]) =>
      every(act, HOUR_MS, ...parameters),
  }
  Object.assign(globalThis, timers)
}
