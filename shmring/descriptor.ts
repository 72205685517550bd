import type { Socket } from 'node:net'

/**
 * The descriptor under a socket, which Node keeps to itself: the kernel's answers about the peer hang on it.
 * Undefined once the socket is destroyed.
 */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  return fd === undefined || fd < 0 ? undefined : fd
}
