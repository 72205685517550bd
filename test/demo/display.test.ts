import { PassThrough } from 'node:stream'
import type { WriteStream } from 'node:tty'
import test from 'ava'
import { createDisplay, type Snapshot } from '../../demo/display.js'
import { formatBytes, formatCount, formatMilliseconds } from '../../demo/format.js'

const SNAPSHOT: Snapshot = {
  walk: { found: { files: 2_000, bytes: 4_000_000 }, done: { files: 500, bytes: 1_000_000 } },
  bytesMoved: 2_000_000,
  messagesPerSecond: 1_234.5,
  bytesPerSecond: 56_700_000,
}

/** A stream that keeps what is written, and passes for a terminal if it is to. */
function stream(isTTY: boolean): { stream: WriteStream; text: () => string } {
  const through = new PassThrough({ encoding: 'utf8' })
  return {
    stream: Object.assign(through, { isTTY, columns: 120 }) as never,
    text: () => through.read() ?? '',
  }
}

test('a terminal gets a bar of the bytes that were moved', (t) => {
  const terminal = stream(true)
  const display = createDisplay(terminal.stream)
  t.is(terminal.text(), '')
  display.show(SNAPSHOT)
  t.true(terminal.text().includes(' 50 % │ 500 of 2,000 files │ '))
  display.end({ found: SNAPSHOT.walk.found, done: SNAPSHOT.walk.found })
  t.true(terminal.text().includes(' 100 % │ 2,000 of 2,000 files │ 56.7 MB/s │ 1,235 messages/s'))
})

test('the bar is never past its end, nor behind the files that are done', (t) => {
  for (const [bytesMoved, percentage] of [
    [9_000_000, 100],
    [0, 25],
  ] as const) {
    const terminal = stream(true)
    const display = createDisplay(terminal.stream)
    display.show({ ...SNAPSHOT, bytesMoved })
    t.true(terminal.text().includes(` ${percentage} % │ `))
    display.end(SNAPSHOT.walk)
  }
})

test('anything else gets whole lines, and not one for each look', (t) => {
  const log = stream(false)
  const display = createDisplay(log.stream)
  display.show(SNAPSHOT)
  display.show(SNAPSHOT)
  t.is(log.text(), '500 of 2,000 files, 1.00 MB; 56.7 MB/s, 1,235 messages/s\n')
  display.end(SNAPSHOT.walk)
  t.is(log.text(), '500 of 2,000 files, 1.00 MB\n')
})

test('numbers for people', (t) => {
  t.deepEqual([0, 999, 999.6, 1_000, 12_345, 999_499_999, 1e18].map(formatBytes), [
    '0 B',
    '999 B',
    '1.00 kB',
    '1.00 kB',
    '12.3 kB',
    '999 MB',
    '1.00e+6 TB',
  ])
  t.deepEqual([0, 1_234_567.8].map(formatCount), ['0', '1,234,568'])
  t.deepEqual([undefined, 0.1234, 12.34].map(formatMilliseconds), ['–', '0.123 ms', '12.3 ms'])
})
