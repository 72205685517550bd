import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { fixedPolicy, Poller, type PollerHost } from '../../polling/index.js'

/** A thread whose turns the test makes. */
class Thread implements PollerHost {
  clockUs = 0
  readonly queued: (() => void)[] = []

  nowUs(): number {
    return this.clockUs
  }

  nextTurn(turn: () => void): void {
    this.queued.push(turn)
  }

  /** One turn of the event loop, which takes so long. */
  turn(us: number): void {
    this.clockUs += us
    for (const turn of this.queued.splice(0)) turn()
  }
}

function pollerOn(budgetUs: number) {
  const thread = new Thread()
  const poller = new Poller(thread)
  poller.policy = fixedPolicy(budgetUs)
  return { thread, poller }
}

test('after traffic the loop turns until the budget is used up', (t) => {
  const { thread, poller } = pollerOn(100)
  t.is(thread.queued.length, 0)
  poller.arrived()
  for (let us = 10; us < 100; us += 10) {
    thread.turn(10)
    t.is(thread.queued.length, 1, `at ${us} µs`)
  }
  thread.turn(10)
  t.is(thread.queued.length, 0)
  t.is(poller.turns, 9)
})

test('further traffic lengthens the poll, and queues no second turn', (t) => {
  const { thread, poller } = pollerOn(100)
  poller.arrived()
  poller.arrived()
  poller.sent()
  t.is(thread.queued.length, 1)
  thread.turn(90)
  poller.sent()
  t.is(thread.queued.length, 1)
  thread.turn(90)
  t.is(thread.queued.length, 1)
  thread.turn(10)
  t.is(thread.queued.length, 0)
})

test('a poll that was told to end does so at once, and none begins', (t) => {
  const { thread, poller } = pollerOn(100)
  poller.arrived()
  thread.turn(10)
  poller.policy = undefined
  t.false(poller.isOn)
  t.false(poller.isPolling)
  thread.turn(10)
  t.is(thread.queued.length, 0)
  poller.arrived()
  poller.sent()
  t.is(thread.queued.length, 0)
  t.is(poller.turns, 1)
})

test('a new policy begins anew', (t) => {
  const { thread, poller } = pollerOn(100)
  poller.arrived()
  poller.policy = fixedPolicy(20)
  thread.turn(10)
  t.is(thread.queued.length, 0)
  poller.arrived()
  thread.turn(19)
  t.is(thread.queued.length, 1)
  thread.turn(1)
  t.is(thread.queued.length, 0)
})

test('polls that end in vain end polling', (t) => {
  const thread = new Thread()
  const poller = new Poller(thread)
  poller.policy = { budgetUs: 100, worthUs: 60, nearUs: 200 }
  const arrives = (afterUs: number) => {
    thread.turn(afterUs)
    poller.arrived()
  }
  for (let count = 0; count < 100; count++) arrives(20)
  t.true(poller.isPolling)
  for (let count = 0; count < 3; count++) {
    thread.turn(100)
    arrives(5000)
    t.true(poller.isPolling)
  }
  thread.turn(100)
  t.false(poller.isPolling)
})

test('without a policy it takes no part in anything', (t) => {
  const thread = new Thread()
  const poller = new Poller(thread)
  poller.arrived()
  poller.sent()
  t.is(thread.queued.length, 0)
  t.false(poller.isOn)
})

const POLLING = fileURLToPath(new URL('../../polling/index.js', import.meta.url))

/** A program that polls after each of its timers, and ends when it has no more of them. */
const PROGRAM = `
import { Poller, fixedPolicy } from ${JSON.stringify(POLLING)}
const poller = new Poller()
poller.policy = fixedPolicy(10_000)
let timers = 0
const timer = setInterval(() => {
  poller.arrived()
  timers += 1
  if (timers === 5) clearInterval(timer)
}, 1)
process.on('exit', () => console.log(timers, poller.turns > 0))`

test('polling keeps neither timers from running nor the process from ending', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM])
  t.is(stdout, '5 true\n')
})
