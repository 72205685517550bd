import {
  type Body,
  FEATURE_RING,
  FEATURE_RING_REQUESTS,
  type Kind,
  RingbusError,
  TOKEN_BYTES,
} from '../../protocol/index.js'
import type { RingOffer } from '../rings/ring-connection.js'

/** What the broker said of itself when it accepted this client. [WIRE-2.4] */
export interface Welcome {
  readonly clientId: number
  readonly brokerVersion: string
  readonly payloadBytesMax: number
  readonly aliases: number
  /** Undefined: payloads travel inline. */
  readonly rings: RingOffer | undefined
}

export function readWelcome(body: Body<typeof Kind.WELCOME>): Welcome {
  return {
    clientId: body.clientId,
    brokerVersion: body.brokerVersion,
    payloadBytesMax: limit(body.limits, 'payloadBytesMax'),
    aliases: limit(body.limits, 'aliases'),
    rings: body.features.includes(FEATURE_RING) ? readRingOffer(body) : undefined,
  }
}

function readRingOffer({ clientId, token, features, limits }: Body<typeof Kind.WELCOME>): RingOffer {
  if (token.length !== TOKEN_BYTES) {
    throw new RingbusError('BAD_FRAME', `WELCOME has a token of ${token.length} bytes`)
  }
  return {
    clientId,
    token: Uint8Array.from(token),
    thresholdBytes: limit(limits, 'ringThresholdBytes'),
    payloadBytesMax: limit(limits, 'ringPayloadBytesMax'),
    takesRequests: features.includes(FEATURE_RING_REQUESTS),
  }
}

function limit(limits: Record<string, unknown>, name: string): number {
  const value = limits[name]
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
  throw new RingbusError('BAD_FRAME', `WELCOME has no limit \`${name}\` that is a positive integer`)
}
