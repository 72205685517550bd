import type { WriteStream } from 'node:tty'
import { SingleBar } from 'cli-progress'
import { formatBytes, formatCount } from './format.js'
import type { Tally } from './topics.js'

export interface Snapshot {
  readonly found: Tally
  readonly done: Tally
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

export interface Display {
  show(snapshot: Snapshot): void
  end(): void
}

/** A bar on a terminal; elsewhere a line from time to time, which a log can keep. */
export function createDisplay(stream: WriteStream): Display {
  return stream.isTTY ? new Bar(stream) : new Lines(stream)
}

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
    this.#bar.start(1, 0, { files: 0, found: 0, bytesRate: formatBytes(0), messageRate: 0 })
  }

  show({ found, done, messagesPerSecond, bytesPerSecond }: Snapshot): void {
    // Empty files alone are no bytes, and the bar divides by its total.
    this.#bar.setTotal(Math.max(1, found.bytes))
    this.#bar.update(done.bytes, {
      files: formatCount(done.files),
      found: formatCount(found.files),
      bytesRate: formatBytes(bytesPerSecond),
      messageRate: formatCount(messagesPerSecond),
    })
  }

  end(): void {
    this.#bar.stop()
  }
}

/** A log is read later: one line a second tells enough. */
const LINE_EVERY_MS = 1_000

class Lines implements Display {
  readonly #stream: WriteStream
  #nextAtMs = 0
  #unshown: Snapshot | undefined

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  show(snapshot: Snapshot): void {
    this.#unshown = snapshot
    if (performance.now() < this.#nextAtMs) return
    this.#nextAtMs = performance.now() + LINE_EVERY_MS
    this.#write()
  }

  end(): void {
    this.#write()
  }

  #write(): void {
    if (this.#unshown === undefined) return
    const { found, done, messagesPerSecond, bytesPerSecond } = this.#unshown
    const progress = `${formatCount(done.files)} of ${formatCount(found.files)} files, ${formatBytes(done.bytes)}`
    const rates = `${formatBytes(bytesPerSecond)}/s, ${formatCount(messagesPerSecond)} messages/s`
    this.#stream.write(`${progress}; ${rates}\n`)
    this.#unshown = undefined
  }
}
