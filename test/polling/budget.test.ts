import test from 'ava'
import {
  BROKER_POLICY,
  CLIENT_POLICY,
  fixedPolicy,
  PollBudget,
  type PollPolicy,
} from '../../polling/index.js'

const POLICY: PollPolicy = { budgetUs: 100, worthUs: 60, nearUs: 200 }

/** A budget on a clock that the test moves. */
class Stage {
  readonly budget: PollBudget
  nowUs = 1_000_000
  /** Until when it polls; 0: it sleeps. */
  deadlineUs = 0
  polledUs = 0

  constructor(policy = POLICY) {
    this.budget = new PollBudget(policy)
    this.deadlineUs = this.budget.arrived(this.nowUs)
  }

  /** Something comes after so long; a poll ends where its budget does. */
  arrives(afterUs: number, count = 1): this {
    for (let index = 0; index < count; index++) {
      const arrivalUs = this.nowUs + afterUs
      this.#pollUntil(arrivalUs)
      this.nowUs = arrivalUs
      this.deadlineUs = this.budget.arrived(arrivalUs)
    }
    return this
  }

  /** The same, but the processor was another's, and nobody saw the poll end. */
  arrivesLate(afterUs: number): this {
    this.nowUs += afterUs
    this.deadlineUs = this.budget.arrived(this.nowUs)
    return this
  }

  sends(afterUs: number, count = 1): this {
    for (let index = 0; index < count; index++) {
      this.nowUs += afterUs
      this.deadlineUs = this.budget.sent(this.nowUs)
    }
    return this
  }

  /** Makes it poll, by wake-ups that come soon. */
  engaged(): this {
    while (!this.budget.isPolling) this.arrives(60)
    return this
  }

  #pollUntil(arrivalUs: number): void {
    if (this.deadlineUs === 0) return
    this.polledUs += Math.min(arrivalUs, this.deadlineUs) - this.nowUs
    if (arrivalUs <= this.deadlineUs) return
    this.budget.expired(this.deadlineUs)
    this.deadlineUs = 0
  }
}

test('eight wake-ups soon after going to sleep start a poll, for as long as the budget', (t) => {
  const stage = new Stage().arrives(199, 7)
  t.false(stage.budget.isPolling)
  t.is(stage.deadlineUs, 0)
  stage.arrives(199)
  t.true(stage.budget.isPolling)
  t.is(stage.deadlineUs, stage.nowUs + 100)
})

test('a wake-up that comes late halves what was counted', (t) => {
  const stage = new Stage().arrives(60, 7).arrives(200).arrives(60, 4)
  t.false(stage.budget.isPolling)
  stage.arrives(60)
  t.true(stage.budget.isPolling)
})

test('what the loop finds as it comes around is no wake-up', (t) => {
  const stage = new Stage().arrives(4, 1000)
  t.false(stage.budget.isPolling)
})

test('it polls on while that spares wake-ups cheaply', (t) => {
  const stage = new Stage().engaged().arrives(59, 10_000)
  t.true(stage.budget.isPolling)
})

test('what the loop finds at once neither speaks for polling nor against it', (t) => {
  const stage = new Stage().engaged().arrives(4, 1000)
  t.true(stage.budget.isPolling)
  stage.arrives(90, 15)
  t.true(stage.budget.isPolling)
  stage.arrives(90)
  t.false(stage.budget.isPolling)
})

test('sixteen waits that are too dear, one after another, end it; a cheap one in between does not let it come to that', (t) => {
  const stage = new Stage().engaged().arrives(10, 100)
  stage.arrives(61, 15).arrives(60).arrives(61, 15)
  t.true(stage.budget.isPolling)
  stage.arrives(61)
  t.false(stage.budget.isPolling)
})

test('a trial may take what 64 wake-ups are worth; then it sleeps, and pauses', (t) => {
  const stage = new Stage().engaged()
  // Each round 1,060 µs.
  for (let round = 0; round < 3; round++) stage.arrives(70, 15).arrives(10)
  stage.arrives(70, 9)
  t.true(stage.budget.isPolling)
  stage.arrives(70)
  t.false(stage.budget.isPolling)
  t.is(stage.deadlineUs, 0)
  const asleepSinceUs = stage.nowUs
  stage.engaged()
  t.true(stage.nowUs - asleepSinceUs >= 20_000)
  t.true(stage.nowUs - asleepSinceUs <= 20_060)
})

test('what a trial has taken must have been worth it in the end', (t) => {
  const stage = new Stage().engaged()
  for (let pair = 0; pair < 30; pair++) stage.arrives(10).arrives(1000)
  stage.arrives(10, 3)
  t.true(stage.budget.isPolling)
  stage.arrives(10)
  t.false(stage.budget.isPolling)
})

test('after a trial that failed, wake-ups are counted from nothing', (t) => {
  const stage = new Stage().engaged().arrives(90, 16).arrives(30_000).arrives(60, 7)
  t.false(stage.budget.isPolling)
  stage.arrives(60)
  t.true(stage.budget.isPolling)
})

test('pauses double up to a second, and begin anew after a trial that spared much', (t) => {
  const stage = new Stage()
  const pausesMs: number[] = []
  for (let trial = 0; trial < 9; trial++) {
    stage.engaged().arrives(90, 16)
    const asleepSinceUs = stage.nowUs
    stage.engaged()
    pausesMs.push(Math.floor((stage.nowUs - asleepSinceUs) / 1000))
  }
  t.deepEqual(pausesMs, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000])
  stage.arrives(20, 1024)
  t.true(stage.budget.isPolling)
  while (stage.budget.isPolling) stage.arrives(90)
  const asleepSinceUs = stage.nowUs
  stage.engaged()
  t.is(Math.floor((stage.nowUs - asleepSinceUs) / 1000), 10)
})

test('four polls in vain, one after another, end it; a spared wake-up in between does not let it come to that', (t) => {
  const stage = new Stage().engaged().arrives(20, 64)
  for (let round = 0; round < 3; round++) {
    stage.arrives(1000, 3).arrives(20, 60)
    t.true(stage.budget.isPolling)
  }
  stage.arrives(1000, 3)
  t.true(stage.budget.isPolling)
  stage.arrives(1000)
  t.false(stage.budget.isPolling)
})

test('polls in vain are paid by those that spare something', (t) => {
  const stage = new Stage().engaged()
  // Each round 220 µs for two wake-ups.
  for (let round = 0; round < 16; round++) stage.arrives(10, 2).arrives(1000, 2)
  t.false(stage.budget.isPolling)
})

test('old waits are forgotten, however many there were', (t) => {
  const stage = new Stage().engaged().arrives(10, 100_000)
  let waits = 0
  for (; stage.budget.isPolling; waits += 8) stage.arrives(90, 7).arrives(10)
  t.true(waits < 200, `${waits} waits`)
})

test('when others have the processor for long, it sleeps', (t) => {
  const stage = new Stage().engaged().arrives(25, 64)
  t.true(stage.budget.isPolling)
  stage.arrivesLate(4000)
  t.false(stage.budget.isPolling)
})

test('a wait beyond the budget spares nothing, whoever has noticed its end', (t) => {
  const within = new Stage().engaged()
  for (let pair = 0; pair < 100; pair++) within.arrives(10).arrivesLate(100)
  t.true(within.budget.isPolling)
  // 111 µs for one wake-up, or for two.
  const beyond = new Stage().engaged()
  for (let pair = 0; pair < 32; pair++) beyond.arrives(10).arrivesLate(101)
  t.false(beyond.budget.isPolling)
})

test('what is sent begins a wait for what comes back', (t) => {
  const stage = new Stage()
  for (let request = 0; request < 7; request++) stage.sends(5000).arrives(140)
  t.false(stage.budget.isPolling)
  // The pauses between requests do not count against them.
  stage.sends(5000).arrives(140)
  t.true(stage.budget.isPolling)
  stage.sends(10)
  t.is(stage.deadlineUs, stage.nowUs + 100)
})

test('who only sends does not poll for ever', (t) => {
  const stage = new Stage().engaged().arrives(20, 1000).sends(50, 100)
  t.false(stage.budget.isPolling)
  t.is(stage.deadlineUs, 0)
})

test('a fixed budget polls after all traffic, whatever comes of it', (t) => {
  const stage = new Stage(fixedPolicy(300))
  t.is(stage.deadlineUs, stage.nowUs + 300)
  stage.arrives(1_000_000, 100)
  t.true(stage.budget.isPolling)
  t.is(stage.deadlineUs, stage.nowUs + 300)
  stage.arrivesLate(50_000).sends(1_000_000)
  t.is(stage.deadlineUs, stage.nowUs + 300)
})

test('the end of a poll that is over already changes nothing', (t) => {
  const stage = new Stage()
  for (let call = 0; call < 10; call++) stage.budget.expired(stage.nowUs)
  stage.engaged().arrives(1000)
  for (let call = 0; call < 10; call++) stage.budget.expired(stage.nowUs + 500 + call)
  t.is(stage.budget.isPolling, true)
})

for (const [name, policy] of Object.entries({ broker: BROKER_POLICY, client: CLIENT_POLICY })) {
  test(`the ${name} comes to poll in a chain of sleepers, and stays with it`, (t) => {
    for (const [asleepUs, awakeUs] of [
      [60, 25],
      [140, 60],
    ] as const) {
      const stage = new Stage(policy)
      for (let message = 0; message < 10_000; message++) {
        stage.arrives(stage.budget.isPolling ? awakeUs : asleepUs)
      }
      t.true(stage.budget.isPolling, `${asleepUs} µs`)
    }
  })

  test(`the ${name} never polls for sparse traffic`, (t) => {
    for (const gapUs of [1000, 10_000, 1_000_000]) {
      const stage = new Stage(policy).arrives(gapUs, 10_000)
      t.is(stage.polledUs, 0, `${gapUs} µs`)
    }
  })

  test(`the ${name} leaves off when traffic becomes sparse`, (t) => {
    for (const gapUs of [1000, 10_000]) {
      const stage = new Stage(policy).engaged().arrives(20, 5000)
      stage.polledUs = 0
      stage.arrives(gapUs, 1000)
      t.false(stage.budget.isPolling)
      t.is(stage.polledUs, 4 * policy.budgetUs)
    }
  })
}

test('the broker spends little on trials where polling spares nothing cheaply', (t) => {
  const stage = new Stage(BROKER_POLICY)
  const startUs = stage.nowUs
  stage.arrives(95, 500_000)
  t.true(stage.polledUs > 0)
  t.true(stage.polledUs < (stage.nowUs - startUs) / 400)
})
