/**
 *   idle ──dial──> dialling ──welcomed──> open ──lost──> waiting ──dial──> dialling …
 *                  dialling ──failed──> waiting
 *   any of them ──close──> closed
 *
 * A connection is `dialling` from the first system call to the broker's WELCOME.
 */
export type ConnectionState = 'idle' | 'dialling' | 'open' | 'waiting' | 'closed'

export type ConnectionEvent = 'dial' | 'welcomed' | 'failed' | 'lost' | 'close'

const NEXT: Record<ConnectionState, Partial<Record<ConnectionEvent, ConnectionState>>> = {
  idle: { dial: 'dialling', close: 'closed' },
  dialling: { welcomed: 'open', failed: 'waiting', close: 'closed' },
  open: { lost: 'waiting', close: 'closed' },
  waiting: { dial: 'dialling', close: 'closed' },
  closed: {},
}

/** The state after an event; the same one when the event means nothing to it. */
export function nextConnectionState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  return NEXT[state][event] ?? state
}
