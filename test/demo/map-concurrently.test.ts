import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { mapConcurrently } from '../../demo/map-concurrently.js'

test('every item gives one result, and no more than the limit are under way', async (t) => {
  let running = 0
  let most = 0
  const results: number[] = []
  const items = Array.from({ length: 50 }, (_, index) => index)
  const mapped = mapConcurrently(items, 4, async (item) => {
    most = Math.max(most, ++running)
    for (let turns = item % 3; turns >= 0; turns--) await turn()
    running -= 1
    return item * 2
  })
  for await (const result of mapped) results.push(result)
  t.is(most, 4)
  t.deepEqual(
    results.sort((a, b) => a - b),
    items.map((item) => item * 2),
  )
})

test('nothing new begins while the consumer does not ask', async (t) => {
  let begun = 0
  const mapped = mapConcurrently([1, 2, 3, 4, 5], 2, async () => ++begun)
  t.is(begun, 0)
  await mapped.next()
  for (let turns = 0; turns < 5; turns++) await turn()
  t.is(begun, 2)
  await mapped.return(undefined)
  t.is(begun, 2)
})

test('the first error ends it, and later ones do not end the process', async (t) => {
  const mapped = mapConcurrently([1, 2, 3], 3, async (item) => {
    for (let turns = 0; turns < item; turns++) await turn()
    throw new Error(`failure ${item}`)
  })
  await t.throwsAsync(async () => mapped.next(), { message: 'failure 1' })
  for (let turns = 0; turns < 5; turns++) await turn()
})

test('nothing to do is done at once', async (t) => {
  t.true((await mapConcurrently([], 2, async () => 1).next()).done)
})
