import type { NativeHost, PairHandle } from './native.js'

/** Bytes that are read in a row while other sockets and timers wait. */
const TURN_BYTES = 256 * 1024

/**
 * The other end is woken as this end's turn of the event loop is over, or once this part of a ring waits for it: to be
 * woken for each write of a burst would have both take turns at a processor that they share, and cost a system call each.
 */
const UNRUNG_PART = 1 / 4

/** One byte of any value on the socket: "look". */
const BELL = Buffer.alloc(1)

/** What uses a pair, and the socket beside it. */
export interface PairUser {
  /** What is read into next: not empty. */
  memory(): Buffer
  /** Bytes that have come, the beginning of that memory. */
  data(chunk: Buffer): void
  /** Everything that waited has been written. */
  written(): void
  /** The other end has written what cannot be. Nothing is read any more, and may be that nothing can be written. */
  spoilt(error: Error): void
  /** The socket's descriptor; undefined once it is closed. */
  descriptor(): number | undefined
}

/**
 * A byte stream in both directions through a pair of rings in shared memory. What there is no room for waits until the
 * other end has read. Whoever finds nothing to read rests, and is woken by a byte on the socket.
 *
 *   writing ──start──> open: it reads as well ──(the other end has written what cannot be)──> spoilt: writes, if it can
 *   any of them ──close──> closed
 */
export class PairStream {
  readonly #native: NativeHost
  readonly #pair: PairHandle
  readonly #ringBytes: number
  readonly #user: PairUser
  #state: 'writing' | 'open' | 'spoilt' | 'closed' = 'writing'
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #turnQueued = false
  /** The other end rests, and there is something for it to read. */
  #owesBell = false
  /** Bytes written since it does. */
  #unrungBytes = 0
  /** The last read has taken everything that there was. */
  #wasLast = false

  /** Takes the pair over, whose rings have `ringBytes` each, and closes it at its own end. */
  constructor(native: NativeHost, pair: PairHandle, ringBytes: number, user: PairUser) {
    this.#native = native
    this.#pair = pair
    this.#ringBytes = ringBytes
    this.#user = user
  }

  /** Bytes that the ring has had no room for. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get isReading(): boolean {
    return this.#state === 'open'
  }

  /** Writes what there is room for; returns how many bytes that is. What waits already goes first. */
  write(bytes: Buffer): number {
    if (this.#state === 'closed') return bytes.length
    return this.#waitingBytes > 0 ? 0 : this.#put(bytes)
  }

  /** Keeps bytes that nobody changes until there is room for them. */
  wait(bytes: Buffer): void {
    if (this.#state === 'closed') return
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
  }

  /** From now on what comes is read. */
  start(): void {
    if (this.#state === 'writing') this.#state = 'open'
  }

  /** The socket has been readable: there is something to read, or room again. */
  look(): void {
    if (this.#waitingBytes > 0) this.#writeWaiting()
    if (this.#state === 'open' && !this.#turnQueued) this.#read()
  }

  /** Reads what the other end has left, now that the socket has ended: a ring full, even if there comes more and more. */
  drain(): void {
    for (let leftBytes = this.#ringBytes; leftBytes > 0 && this.#state === 'open'; ) {
      const chunk = this.#take()
      if (chunk === undefined) return
      leftBytes -= chunk.length
      this.#user.data(chunk)
    }
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#waiting = []
    this.#waitingBytes = 0
    this.#native.pairClose(this.#pair)
  }

  #put(bytes: Buffer): number {
    let answer: number
    try {
      answer = this.#native.pairWrite(this.#pair, bytes)
    } catch (error) {
      // Whoever writes may be in the middle of something.
      queueMicrotask(() => this.#spoilt(error as Error))
      return bytes.length
    }
    const written = countOf(answer)
    if (isBell(answer)) this.#oweBell()
    if (this.#owesBell) {
      this.#unrungBytes += written
      if (written < bytes.length || this.#unrungBytes >= this.#ringBytes * UNRUNG_PART) this.#payBell()
    }
    return written
  }

  #oweBell(): void {
    this.#owesBell = true
    this.#unrungBytes = 0
    queueMicrotask(this.#payBell)
  }

  readonly #payBell = (): void => {
    if (!this.#owesBell) return
    this.#owesBell = false
    this.#ring()
  }

  #writeWaiting(): void {
    let written = 0
    for (const bytes of this.#waiting) {
      const taken = this.#put(bytes)
      this.#waitingBytes -= taken
      if (taken < bytes.length) {
        this.#waiting[written] = bytes.subarray(taken)
        break
      }
      written += 1
    }
    this.#waiting.splice(0, written)
    if (this.#waitingBytes === 0) this.#user.written()
  }

  readonly #turn = (): void => {
    this.#turnQueued = false
    if (this.#state === 'open') this.#read()
  }

  #read(): void {
    for (let readBytes = 0; readBytes < TURN_BYTES; ) {
      const chunk = this.#take()
      if (chunk !== undefined) {
        readBytes += chunk.length
        this.#user.data(chunk)
      }
      if (this.#state !== 'open') return
      if (this.#wasLast && this.#native.pairRest(this.#pair)) return
    }
    this.#turnQueued = true
    setImmediate(this.#turn)
  }

  /** What there is to read, as far as the memory goes. */
  #take(): Buffer | undefined {
    const memory = this.#user.memory()
    try {
      const answer = this.#native.pairRead(this.#pair, memory)
      const byteCount = countOf(answer)
      // At once: who waits for room has more to write.
      if (isBell(answer)) this.#ring()
      this.#wasLast = byteCount < memory.length
      return byteCount === 0 ? undefined : memory.subarray(0, byteCount)
    } catch (error) {
      this.#spoilt(error as Error)
      return undefined
    }
  }

  #ring(): void {
    const descriptor = this.#user.descriptor()
    // A socket that is full wakes its reader by itself; one that is gone needs no bell.
    if (descriptor !== undefined) this.#native.send(descriptor, BELL)
  }

  #spoilt(error: Error): void {
    if (this.#state === 'spoilt' || this.#state === 'closed') return
    // The last words to the other end may still have their way.
    this.#state = 'spoilt'
    this.#user.spoilt(error)
  }
}

/** Whether the other end must be woken, by an answer of the addon. */
function isBell(answer: number): boolean {
  return answer < 0
}

/** Bytes that were written or read, by an answer of the addon. */
function countOf(answer: number): number {
  return answer < 0 ? ~answer : answer
}
