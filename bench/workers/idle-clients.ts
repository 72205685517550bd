import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { controlFrame, encodeBody, Kind, MAGIC, PROTOCOL_VERSION } from '../../protocol/index.js'
import { answerCommands } from '../child.js'

export interface IdleClientsCommands {
  /** Opens connections that greet and then say nothing. Their number grows with each call. */
  open(order: { path: string; count: number }): Promise<void>
}

/** Connections opened at the same time, well below the length of the socket's queue. */
const CONNECTIONS_AT_ONCE = 64

const sockets: Socket[] = []

/**
 * The bare protocol in place of the client library, which costs this process tens of kilobytes for each of
 * thousands of connections. The broker cannot tell the difference.
 */
async function openClient(path: string): Promise<void> {
  const socket = connect(path)
  sockets.push(socket)
  await once(socket, 'connect')
  const hello = encodeBody(Kind.HELLO, { name: 'idle', pid: process.pid })
  socket.write(controlFrame(Kind.HELLO, MAGIC, PROTOCOL_VERSION, hello))
  await once(socket, 'data')
}

const commands: IdleClientsCommands = {
  async open({ path, count }) {
    for (let opened = 0; opened < count; opened += CONNECTIONS_AT_ONCE) {
      const batch = Math.min(CONNECTIONS_AT_ONCE, count - opened)
      await Promise.all(Array.from({ length: batch }, () => openClient(path)))
    }
  },
}

answerCommands({ ...commands })
