import { loadNative, type NativeHost } from '../../shmring/index.js'

/** What maps segments; undefined where nothing can. */
export function ringHost(): NativeHost | undefined {
  return process.platform === 'linux' ? loadNative() : undefined
}
