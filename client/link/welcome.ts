import { type Body, type Kind, RingbusError } from '../../protocol/index.js'

/** What the broker said of itself when it accepted this client. [WIRE-2.4] */
export interface Welcome {
  readonly clientId: number
  readonly brokerVersion: string
  readonly payloadBytesMax: number
  readonly aliases: number
}

export function readWelcome(body: Body<typeof Kind.WELCOME>): Welcome {
  return {
    clientId: body.clientId,
    brokerVersion: body.brokerVersion,
    payloadBytesMax: limit(body.limits, 'payloadBytesMax'),
    aliases: limit(body.limits, 'aliases'),
  }
}

function limit(limits: Record<string, unknown>, name: string): number {
  const value = limits[name]
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
  throw new RingbusError('BAD_FRAME', `WELCOME has no limit \`${name}\` that is a positive integer`)
}
