/** No limit on what waits for a subscriber: past one the library drops messages. */
export const SENDING = { sendHighWaterMark: 0, linger: 0 } as const
export const RECEIVING = { receiveHighWaterMark: 0, linger: 0 } as const

/** The proxy has a socket for those who publish and one for those who subscribe. */
export function proxyAddress(folder: string, side: 'publishers' | 'subscribers'): string {
  return `ipc://${folder}/${side}.sock`
}
