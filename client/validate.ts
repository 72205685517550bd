import { PRIORITY_MAX, RingbusError } from '../protocol/index.js'

/*
 * Checks of what users pass. Each throws INVALID_ARGUMENT, which names the option, what it should have been
 * and what came instead.
 */

/** The longest delay that Node's timers keep; a longer one fires at once. */
const TIMER_MS_MAX = 2_147_483_647

export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) throw expected(what, 'an object', options)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw new RingbusError(
      'INVALID_ARGUMENT',
      `Expected ${what} to hold only ${known.map((option) => `\`${option}\``).join(', ')}, got \`${name}\``,
    )
  }
}

export function checkString(name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'string' && value !== '')) return
  throw expected(name, 'a non-empty string', value)
}

export function checkBoolean(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return
  throw expected(name, 'a boolean', value)
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw expected(name, 'a function', value)
}

export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return
  throw expected(name, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, value)
}

export function checkPositiveInteger(name: string, value: unknown, max: number): void {
  if (value === undefined) return
  if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= max) return
  throw expected(name, `a positive integer up to ${max}`, value)
}

export function checkUserNumber(name: string, value: unknown): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return
  throw expected(name, 'the number of a user', value)
}

/** A time in milliseconds, which may have a fraction. */
export function checkDelay(name: string, value: unknown): void {
  if (value === undefined) return
  if (typeof value === 'number' && value > 0 && value <= TIMER_MS_MAX) return
  throw expected(name, `a positive number of milliseconds up to ${TIMER_MS_MAX}`, value)
}

/** A time-out in milliseconds: 0 and Infinity mean none. Returns it with 0 for none. */
export function timeoutMs(name: string, value: unknown, defaultMs: number): number {
  if (value === undefined) return defaultMs
  if (value === 0 || value === Number.POSITIVE_INFINITY) return 0
  if (typeof value === 'number' && value > 0 && value <= TIMER_MS_MAX) return value
  throw expected(name, `a number of milliseconds from 0 to ${TIMER_MS_MAX} or Infinity`, value)
}

export function checkPriority(value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= PRIORITY_MAX) return
  throw expected('priority', `an integer from 0 to ${PRIORITY_MAX}`, value)
}

export function checkSignal(value: unknown): void {
  if (value === undefined || value instanceof AbortSignal) return
  throw expected('signal', 'an AbortSignal', value)
}

export function expected(name: string, what: string, got: unknown): RingbusError {
  return new RingbusError('INVALID_ARGUMENT', `Expected \`${name}\` to be ${what}, got ${describe(got)}`)
}

function describe(value: unknown): string {
  if (value === null) return '`null`'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return `an object (${value.constructor?.name ?? 'without a prototype'})`
  return `\`${String(value)}\` (${typeof value})`
}
