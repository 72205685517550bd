export { descriptorOf } from './descriptor.js'
export { acquireLock, type HeldLock, type LockHeldElsewhere } from './lock.js'
export {
  killPoint,
  loadNative,
  type NativeError,
  type NativeHost,
  NativeLoadError,
  nativeLoadError,
  type PairHandle,
  type PeerCredentials,
  type ReaderHandle,
  RingClaim,
  type RingHandle,
  type SegmentHandle,
} from './native.js'
export { PairStream, type PairUser } from './pair.js'
