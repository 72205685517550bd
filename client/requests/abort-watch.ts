/** What is to be called when a signal aborts. */
type Callback = () => void

/** Who watches each signal, with the one listener that stands for them all. */
const watches = new WeakMap<AbortSignal, { readonly callbacks: Set<Callback>; readonly listener: Callback }>()

/**
 * Calls back when the signal aborts, until `unwatchAbort`. However many requests share a signal, it has one
 * listener of ours: Node takes more than a few for a leak, and warns.
 */
export function watchAbort(signal: AbortSignal, callback: Callback): void {
  let watch = watches.get(signal)
  if (watch === undefined) {
    const callbacks = new Set<Callback>()
    const listener = () => {
      for (const call of callbacks) call()
    }
    watch = { callbacks, listener }
    watches.set(signal, watch)
    signal.addEventListener('abort', listener)
  }
  watch.callbacks.add(callback)
}

/** Ends `watchAbort`. */
export function unwatchAbort(signal: AbortSignal, callback: Callback): void {
  const watch = watches.get(signal)
  if (watch === undefined) return
  watch.callbacks.delete(callback)
  if (watch.callbacks.size > 0) return
  watches.delete(signal)
  signal.removeEventListener('abort', watch.listener)
}
