export { descriptorOf } from './descriptor.js'
export { acquireLock, type HeldLock, type LockHeldElsewhere } from './lock.js'
export {
  loadNative,
  type NativeError,
  type NativeHost,
  NativeLoadError,
  nativeLoadError,
  type PeerCredentials,
} from './native.js'
