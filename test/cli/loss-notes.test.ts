import test from 'ava'
import { LossNotes } from '../../cli/loss-notes.js'
import type { Notes } from '../../cli/notes.js'

/** The numbers that were noted, by pattern, of these reports about what was lost. */
function noted(reports: readonly [pattern: string, dropped: number][]): string[] {
  const lines: string[] = []
  const losses = new LossNotes({ warn: (text: string) => lines.push(text) } as unknown as Notes)
  for (const [pattern, dropped] of reports)
    losses.take({ pattern, group: undefined, slow: false, dropped, queued: 5, queuedBytes: 500 })
  return lines.map((line) =>
    /^(.*): (\d+) of its messages were lost so far, .*; 5 wait$/.exec(line)!.slice(1).join(' '),
  )
}

test('the first loss is noted, then each that is ten times the last, by pattern', (t) => {
  t.deepEqual(
    noted([
      ['a', 0],
      ['a', 3],
      ['a', 29],
      ['b', 7],
      ['a', 30],
      ['a', 299],
      ['a', 5000],
    ]),
    ['a 3', 'b 7', 'a 30', 'a 5000'],
  )
})

test('a loss after a new connection, where the count begins anew, is noted', (t) => {
  t.deepEqual(
    noted([
      ['a', 300],
      ['a', 2],
      ['a', 19],
      ['a', 20],
    ]),
    ['a 300', 'a 2', 'a 20'],
  )
})
