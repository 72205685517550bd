import { loadNative } from '../../shmring/index.js'

/** What the client asks of the native addon for rings. `NativeHost` has all of it. */
export interface RingHost {
  attach(path: string, request: Uint8Array, timeoutMs: number): Promise<{ fd: number; reply: Buffer }>
  closeDescriptor(fd: number): void
  ringMap(fd: number, dataBytes: number): RingHandle
  ringClaim(ring: RingHandle, byteLength: number, claim: Float64Array): number
  ringWait(ring: RingHandle, need: number): boolean
  ringWrite(ring: RingHandle, position: number, bytes: Uint8Array): void
  ringLoan(ring: RingHandle, position: number, byteLength: number): ArrayBuffer | undefined
  ringEndLoan(ring: RingHandle, buffer: ArrayBuffer): boolean
  ringClose(ring: RingHandle): void
  readerMap(fd: number, dataBytes: number): ReaderHandle
  readerCopy(reader: ReaderHandle, offset: number, target: Uint8Array): void
  readerView(
    reader: ReaderHandle,
    offset: number,
    byteLength: number,
    cookie: number,
  ): ArrayBuffer | undefined
  readerRelease(reader: ReaderHandle, cookie: number, buffer: ArrayBuffer): boolean
  readerReturned(reader: ReaderHandle): number[]
  readerClose(reader: ReaderHandle): void
}

export type RingHandle = object & { readonly __ring?: never }
export type ReaderHandle = object & { readonly __reader?: never }

/** Undefined where the addon cannot map segments. */
export function ringHost(): RingHost | undefined {
  const native = loadNative() as Partial<RingHost> | undefined
  return native?.ringMap === undefined ? undefined : (native as RingHost)
}
