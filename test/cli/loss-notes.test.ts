import test from 'ava'
import { LossNotes } from '../../cli/loss-notes.js'
import type { Notes } from '../../cli/notes.js'

/** What was noted of these reports about losses, up to the reason. */
function noted(reports: readonly [pattern: string, dropped: number][]): string[] {
  const lines: string[] = []
  const losses = new LossNotes({ warn: (text: string) => lines.push(text) } as unknown as Notes)
  for (const [pattern, dropped] of reports)
    losses.take({ pattern, group: undefined, slow: false, dropped, queued: 5, queuedBytes: 500 })
  losses.conclude()
  return lines.map((line) => line.replace(', for they come faster than they are read; 5 wait', ''))
}

test('the first loss is noted, then each that is ten times the last, by pattern', (t) => {
  t.deepEqual(
    noted([
      ['a', 0],
      ['a', 3],
      ['a', 29],
      ['b', 1],
      ['a', 30],
      ['a', 299],
      ['a', 5000],
    ]),
    [
      'a: lost 3 messages so far',
      'b: lost 1 message so far',
      'a: lost 30 messages so far',
      'a: lost 5000 messages so far',
    ],
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
    ['a: lost 300 messages so far', 'a: lost 2 messages so far', 'a: lost 20 messages so far'],
  )
})

test('what no note has said is said at the end', (t) => {
  t.deepEqual(
    noted([
      ['a', 1],
      ['b', 2],
      ['a', 9],
    ]),
    ['a: lost 1 message so far', 'b: lost 2 messages so far', 'a: lost 9 messages, or more'],
  )
})
