import { socketPath } from '../protocol/index.js'
import { RingbusClient } from './client.js'
import { type ConnectOptions, checkConnectOptions, reconnectSettings, ringSettings } from './options.js'
import { LOOP_NUMBER } from './polling/low-latency.js'
import { Session } from './session.js'

/**
 * Connects to the broker of this host. Rejects with NO_BROKER at once when none listens, unless `autostart` or
 * `reconnect.initial` says what to do then; with SOCKET_UNSAFE when the socket is not to be trusted, and with
 * PATH_TOO_LONG, NOT_RINGBUS, VERSION_UNSUPPORTED, HANDSHAKE_TIMEOUT, AUTOSTART_FAILED, CANCELLED.
 */
export async function connect(options: ConnectOptions = {}): Promise<RingbusClient> {
  checkConnectOptions(options)
  const uid = process.getuid!()
  const rings = ringSettings(options.ring)
  const session = new Session({
    target: socketPath({ explicit: options.path, env: process.env, uid }),
    trust: { uid, brokerUid: options.brokerUid },
    introduction: {
      name: options.name,
      mapsSegments: rings.enabled,
      pollsAs: options.latency === 'low' ? LOOP_NUMBER : undefined,
    },
    rings,
    autostart: options.autostart ?? false,
    reconnect: reconnectSettings(options.reconnect),
  })
  await session.open(options.signal)
  return new RingbusClient(session)
}
