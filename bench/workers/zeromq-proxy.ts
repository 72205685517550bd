import { XPublisher, XSubscriber, Proxy as ZeromqProxy } from 'zeromq'
import { answerCommands } from '../child.js'
import { proxyAddress, RECEIVING, SENDING } from '../peers/zeromq-address.js'

export interface ZeromqProxyCommands {
  /** Binds its two sockets in the folder. */
  start(order: { folder: string }): Promise<void>
}

/** A subscription to everything, as its wire has it: publishers then leave the choice to the proxy, as to a broker. */
const EVERYTHING = Buffer.of(1)

/** Runs in a thread of the library until the process ends, or until nothing refers to it. */
let proxy: ZeromqProxy | undefined

const commands: ZeromqProxyCommands = {
  async start({ folder }) {
    const publishers = new XSubscriber(RECEIVING)
    const subscribers = new XPublisher(SENDING)
    await publishers.bind(proxyAddress(folder, 'publishers'))
    await subscribers.bind(proxyAddress(folder, 'subscribers'))
    await publishers.send(EVERYTHING)
    proxy = new ZeromqProxy(publishers, subscribers)
    void proxy.run()
  },
}

answerCommands({ ...commands })
