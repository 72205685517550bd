import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects garbage until `condition` holds; ava's time-out is the watchdog. */
export async function collectUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    collect()
    await delay(10)
  }
}
