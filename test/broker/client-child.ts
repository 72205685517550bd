import { connect } from 'node:net'
import { FrameDecoder, Kind, Offset, PAYLOAD_BYTES_MAX_DEFAULT, readU32 } from '../../protocol/index.js'
import { hello, publish, reply, request, serve, subscribe, topic } from './frames.js'

/*
 * A client in a process of its own, to be killed: `client-child.js <path> <role>`. It greets, plays its role, and
 * tells its parent by messages when there is something to tell.
 *
 *   writer     on 'write' publishes `from.dying`, 1500 frames of 100 bytes, and reads nothing from then on
 *   subscriber subscribes to `to.dying`, takes 64 KiB of it and reads no more
 *   responder  serves `svc` with two places; answers nothing
 *   requester  asks `svc` once
 */
const [path, role] = process.argv.slice(2) as [string, string]
const socket = connect({ path, allowHalfOpen: true })

const ROLES: Record<string, () => void> = {
  writer() {
    socket.write(Buffer.concat([subscribe(1, 'to.dying', { window: 2 ** 30 }), topic(0, 'from.dying')]))
    process.on('message', () => {
      socket.pause()
      const frames = Array.from({ length: 1500 }, (_, index) => publish(0, String(index).padEnd(84)))
      socket.write(Buffer.concat(frames), () => process.send!('written'))
    })
    process.send!('ready')
  },
  subscriber() {
    socket.write(subscribe(1, 'to.dying', { window: 2 ** 30 }), () => process.send!('ready'))
    let bytes = 0
    socket.on('data', (chunk) => {
      bytes += chunk.length
      if (bytes > 65_536) socket.pause()
    })
  },
  responder() {
    socket.write(serve(1, 'svc', 2), () => process.send!('ready'))
  },
  requester() {
    socket.write(Buffer.concat([topic(0, 'svc'), request(0, 1)]), () => process.send!('ready'))
  },
}

const decoder = new FrameDecoder(
  {
    frame(bytes, start) {
      const kind = bytes[start + Offset.KIND]
      if (kind === Kind.WELCOME) ROLES[role]!()
      if (kind === Kind.REQUEST) process.send!({ link: readU32(bytes, start + Offset.ID) })
      return undefined
    },
  },
  { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_MAX_DEFAULT },
)
socket.on('data', (chunk) => decoder.push(chunk))
process.on('message', (message: { answer?: number }) => {
  if (message.answer !== undefined)
    socket.write(reply(message.answer, 'last words'), () => process.send!('written'))
})
socket.write(hello(role))
