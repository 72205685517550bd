// Connects to the socket at the path in its argument, as it is told, and writes to it.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const path = process.argv[2]!
let socket: Socket | undefined

async function openSocket(): Promise<void> {
  socket = connect(path)
  await once(socket, 'connect')
  process.send!('connected')
}

process.on('message', (question: string) => {
  if (question === 'connect') void openSocket()
  if (question === 'become nobody') {
    process.setgid!(65534)
    process.setuid!(65534)
    process.send!('nobody')
  }
  if (question.startsWith('write ')) {
    const byteLength = Number(question.slice('write '.length))
    socket!.write(Buffer.alloc(byteLength, 'ringbus'), () => process.send!('written'))
  }
})
