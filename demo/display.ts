import type { WriteStream } from 'node:tty'
import { SingleBar } from 'cli-progress'
import { formatBytes, formatCount } from './format.js'
import type { WalkProgress } from './topics.js'

export interface Snapshot {
  readonly walk: WalkProgress
  /** Contents that hashers have got, those of files not yet done included. */
  readonly bytesMoved: number
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

export interface Display {
  show(snapshot: Snapshot): void
  /** How far things came in the end; the rates stay what they were. */
  end(walk: WalkProgress): void
}

/** A bar on a terminal; elsewhere a line from time to time, which a log can keep. */
export function createDisplay(stream: WriteStream): Display {
  return stream.isTTY ? new Bar(stream) : new Lines(stream)
}

const NO_RATES = { bytesRate: formatBytes(0), messageRate: formatCount(0) }

class Bar implements Display {
  readonly #bar: SingleBar

  constructor(stream: WriteStream) {
    const format =
      ' {bar} {percentage} % │ {files} of {found} files │ {bytesRate}/s │ {messageRate} messages/s'
    this.#bar = new SingleBar({
      stream,
      format,
      barsize: 24,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      // It would take Ctrl-C from the main process.
      gracefulExit: false,
    })
  }

  show({ walk, bytesMoved, messagesPerSecond, bytesPerSecond }: Snapshot): void {
    // What was hashed twice, because a process was lost, was also moved twice.
    this.#advance(walk, Math.min(Math.max(walk.done.bytes, bytesMoved), walk.found.bytes), {
      bytesRate: formatBytes(bytesPerSecond),
      messageRate: formatCount(messagesPerSecond),
    })
  }

  end(walk: WalkProgress): void {
    this.#advance(walk, walk.done.bytes, {})
    this.#bar.stop()
  }

  #advance({ found, done }: WalkProgress, bytes: number, rates: object): void {
    const files = { files: formatCount(done.files), found: formatCount(found.files) }
    // Empty files alone are no bytes, and the bar divides by its total.
    const total = Math.max(1, found.bytes)
    if (!this.#bar.isActive) this.#bar.start(total, bytes, { ...NO_RATES, ...files, ...rates })
    this.#bar.setTotal(total)
    this.#bar.update(bytes, { ...files, ...rates })
  }
}

/** A log is read later: one line a second tells enough. */
const LINE_EVERY_MS = 1_000

class Lines implements Display {
  readonly #stream: WriteStream
  #nextAtMs = 0

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  show({ walk, messagesPerSecond, bytesPerSecond }: Snapshot): void {
    if (performance.now() < this.#nextAtMs) return
    this.#nextAtMs = performance.now() + LINE_EVERY_MS
    const rates = `${formatBytes(bytesPerSecond)}/s, ${formatCount(messagesPerSecond)} messages/s`
    this.#stream.write(`${describe(walk)}; ${rates}\n`)
  }

  end(walk: WalkProgress): void {
    this.#stream.write(`${describe(walk)}\n`)
  }
}

function describe({ found, done }: WalkProgress): string {
  return `${formatCount(done.files)} of ${formatCount(found.files)} files, ${formatBytes(done.bytes)}`
}
