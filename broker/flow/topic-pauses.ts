import type { Blocker } from './blocker.js'
import { Holder } from './holder.js'
import { PauseClock } from './pause-clock.js'
import { PausedAlias } from './paused-alias.js'
import type { Publisher } from './publisher.js'
import { type PausableTopic, TopicPause } from './topic-pause.js'

export interface PauseLimits {
  /** Time for which publishers may be held up by subscriptions that take nothing. */
  readonly pauseTimeoutMs: number
  /** Bytes beyond the limit of a subscription that may arrive for it while its publishers are being paused. */
  readonly pauseSlackBytes: number
}

export interface PauseEvents {
  /** From now on the subscription loses its oldest messages rather than hold anybody up. [FLOW-2] */
  makeSlow(subscription: Blocker): void
  paused(pause: TopicPause): void
  resumed(pause: TopicPause): void
  /** Publishers were told something outside of the handling of a frame: it is to be sent. */
  flush(): void
}

/** A topic with its targets, as routing knows it. */
export interface TargetedTopic extends PausableTopic {
  readonly groups: readonly { readonly members: readonly Blocker[] }[]
}

/** Publishers and holders of topics that one turn of the loop looks at, so that thousands do not stop all else. */
const STEPS_PER_TURN = 512

/** Parts of the deadline after which an allowance may be small. */
const QUARTERS = 4

/**
 * Pauses the publishers of topics that find a blocking subscription full, shares out what room appears, and ends what
 * goes on for too long. [FLOW-2] Nothing here is touched by topics that are not paused.
 */
export class TopicPauses {
  readonly #limits: PauseLimits
  readonly #events: PauseEvents
  readonly #holders = new Map<Blocker, Holder<TopicPause>>()
  readonly #aliases = new Map<Publisher, Map<number, PausedAlias<TopicPause>>>()
  /** Holders whose topics are to be looked at. */
  readonly #due = new Set<Holder<TopicPause>>()
  /** The deadline of each topic of which somebody may send nothing, in quarters. */
  readonly #clock: PauseClock<TopicPause>
  #soon: NodeJS.Immediate | undefined
  #pass = 0
  #state: 'running' | 'stopping' | 'ended' = 'running'
  /** Topics whose publishers are paused now. */
  topicCount = 0

  constructor(limits: PauseLimits, events: PauseEvents) {
    this.#limits = limits
    this.#events = events
    this.#clock = new PauseClock(
      () => limits.pauseTimeoutMs / QUARTERS,
      (pauses) => this.#quarterPassed(pauses),
    )
  }

  /** A frame has found a blocking subscription full. */
  full(subscription: Blocker, topic: TargetedTopic, publisher: Publisher, alias: number): void {
    if (this.#state !== 'running') return
    topic.pause ??= new TopicPause(topic)
    const { pause } = topic
    const holder = this.#holder(subscription)
    if (!pause.holders.has(holder)) {
      pause.hold(holder)
      if (subscription.group !== undefined) this.#holdGroup(subscription, topic, pause)
    }
    this.#pauseAlias(pause, publisher, alias)
  }

  /** Room may have appeared, or the subscription blocks no longer: it is slow, or nothing more comes for it. */
  relieved(subscription: Blocker): void {
    if (subscription.blockingSinceMs === undefined) return
    const holder = this.#holders.get(subscription)
    if (holder === undefined) return
    if (holder.isSatisfied) return this.#release(holder)
    holder.turnsLeft = holder.topics.size
    this.#lookAt(holder)
  }

  /** A frame of a topic with a pause has come, by an alias that may be one that is paused. */
  received(topic: PausableTopic, publisher: Publisher, alias: number, bytes: number): void {
    const { pause } = topic
    if (pause === undefined) return
    const paused = this.#aliases.get(publisher)?.get(alias)
    if (paused?.topic !== undefined) {
      pause.received(paused, bytes)
      if (pause.hungryCount > 0 && this.#state === 'running' && !this.#clock.isWound(pause)) this.#wind(pause)
    } else if (this.#state === 'stopping') {
      this.#pauseAlias(pause, publisher, alias)
    }
  }

  /** The alias stands for another topic from now on, and both sides know it: that is the end of its pause. [WIRE-2.8] */
  rebound(publisher: Publisher, alias: number): void {
    const aliases = this.#aliases.get(publisher)
    const paused = aliases?.get(alias)
    if (aliases === undefined || paused === undefined) return
    aliases.delete(alias)
    if (aliases.size === 0) this.#aliases.delete(publisher)
    this.#forget(paused)
  }

  /** The client is gone. */
  left(publisher: Publisher): void {
    const aliases = this.#aliases.get(publisher)
    if (aliases === undefined) return
    this.#aliases.delete(publisher)
    for (const paused of aliases.values()) this.#forget(paused)
  }

  /** The client reads again: it is told what it has missed. */
  tell(publisher: Publisher): void {
    const aliases = this.#aliases.get(publisher)
    if (aliases === undefined) return
    for (const paused of aliases.values()) {
      paused.tell()
      if (paused.isOver) aliases.delete(paused.alias)
    }
    if (aliases.size === 0) this.#aliases.delete(publisher)
  }

  /** Topics of this client that are paused. */
  pausedCountOf(publisher: Publisher): number {
    let count = 0
    for (const { topic } of this.#aliases.get(publisher)?.values() ?? []) if (topic !== undefined) count += 1
    return count
  }

  /** The broker stops: from now on whoever publishes on the topic is paused, and nobody is resumed. */
  stop(topics: Iterable<PausableTopic>): void {
    this.#state = 'stopping'
    this.#rest()
    for (const topic of topics) this.bound(topic)
  }

  /** An alias stands for the topic. */
  bound(topic: PausableTopic): void {
    if (this.#state === 'stopping') topic.pause ??= new TopicPause(topic)
  }

  /** The broker has stopped. */
  end(): void {
    this.#state = 'ended'
    this.#rest()
  }

  #rest(): void {
    this.#clock.clear()
    this.#due.clear()
    clearImmediate(this.#soon)
    this.#soon = undefined
  }

  #holder(subscription: Blocker): Holder<TopicPause> {
    let holder = this.#holders.get(subscription)
    if (holder === undefined) {
      holder = new Holder(subscription)
      this.#holders.set(subscription, holder)
    }
    return holder
  }

  /** Any member of a group with room again is a reason to go on, once all of them are full. */
  #holdGroup(subscription: Blocker, topic: TargetedTopic, pause: TopicPause): void {
    const group = topic.groups.find(({ members }) => members[0]!.group === subscription.group)
    for (const member of group?.members ?? []) {
      if (member.policy === 'block' && member.isFull) pause.hold(this.#holder(member))
    }
  }

  #pauseAlias(pause: TopicPause, publisher: Publisher, alias: number): void {
    let aliases = this.#aliases.get(publisher)
    if (aliases === undefined) {
      aliases = new Map()
      this.#aliases.set(publisher, aliases)
    }
    let paused = aliases.get(alias)
    if (paused?.topic !== undefined) return
    if (paused === undefined) {
      paused = new PausedAlias(publisher, alias, pause)
      aliases.set(alias, paused)
    } else {
      paused.topic = pause
    }
    const isFirst = !pause.isPaused
    pause.add(paused)
    paused.tell()
    if (this.#state === 'running' && !this.#clock.isWound(pause)) this.#wind(pause)
    if (!isFirst) return
    this.topicCount += 1
    this.#events.paused(pause)
  }

  /** The holder is no reason to hold anybody up any longer; its topics find out in turn. */
  #release(holder: Holder<TopicPause>): void {
    this.#holders.delete(holder.subscription)
    holder.release()
    this.#lookAt(holder)
  }

  #lookAt(holder: Holder<TopicPause>): void {
    if (this.#state !== 'running' || holder.topics.size === 0) return
    this.#due.add(holder)
    this.#soon ??= setImmediate(() => this.#lookAtDue())
  }

  #lookAtDue(): void {
    this.#soon = undefined
    this.#pass += 1
    let stepsLeft = STEPS_PER_TURN
    for (const holder of this.#due) {
      if (stepsLeft <= 0) break
      this.#due.delete(holder)
      stepsLeft -= this.#giveTurns(holder, stepsLeft)
      // The others that wait have their turn before the rest of its topics.
      if (holder.turnsLeft > 0) this.#due.add(holder)
    }
    if (this.#due.size > 0) this.#soon = setImmediate(() => this.#lookAtDue())
    this.#events.flush()
  }

  /** Looks at topics of a holder, one after another, as long as there is room; returns the steps that it took. */
  #giveTurns(holder: Holder<TopicPause>, stepsMax: number): number {
    let steps = 0
    while (holder.turnsLeft > 0 && steps < stepsMax) {
      const [pause] = holder.topics
      if (pause === undefined) {
        holder.turnsLeft = 0
        break
      }
      holder.turnsLeft -= 1
      holder.topics.delete(pause)
      holder.topics.add(pause)
      steps += 1
      if (pause.lastPass === this.#pass) continue
      pause.lastPass = this.#pass
      steps += pause.holders.size + pause.aliases.size
      this.#settle(pause, pause.minimumBytes)
      if (holder.state === 'holding' && holder.spareBytes(this.#promisesMax) < holder.minimumBytes)
        holder.turnsLeft = 0
    }
    return steps
  }

  /** Ends the pause if nobody holds the topic up; otherwise shares out what room there is. */
  #settle(pause: TopicPause, minimumBytes: number, promisesHold = true): void {
    for (const holder of pause.dispensable()) this.#letGo(pause, holder)
    if (pause.holders.size === 0) return this.#resume(pause)
    if (!pause.grant(minimumBytes, this.#promisesMax, promisesHold)) return
    pause.quartersPassed = 0
    if (pause.hungryCount > 0) this.#clock.wind(pause)
    else this.#clock.stop(pause)
  }

  /** What is promised arrives even if the subscription is full by then: beyond its limit, where only the slack is. */
  get #promisesMax(): number {
    return this.#limits.pauseSlackBytes / 2
  }

  #wind(pause: TopicPause): void {
    pause.quartersPassed = 0
    this.#clock.wind(pause)
  }

  #quarterPassed(pauses: readonly TopicPause[]): void {
    for (const pause of pauses) {
      if (pause.hungryCount === 0) continue
      pause.quartersPassed += 1
      this.#clock.wind(pause)
      this.#recheck(pause)
      if (pause.quartersPassed < QUARTERS) this.#settle(pause, 1)
      else this.#expire(pause)
    }
    this.#events.flush()
  }

  /** Room may come of what others do as well, when it is the memory of the broker that was short. */
  #recheck(pause: TopicPause): void {
    for (const holder of [...pause.holders]) {
      if (holder.state === 'holding' && holder.isSatisfied) this.#release(holder)
    }
  }

  /** Nobody was allowed anything for the whole time: whoever is full now pays for it. */
  #expire(pause: TopicPause): void {
    pause.quartersPassed = 0
    for (const { subscription, state } of [...pause.holders]) {
      if (state === 'holding' && subscription.isFull) this.#events.makeSlow(subscription)
    }
    // There may be room that others were promised and make no use of.
    this.#settle(pause, 1, false)
  }

  #resume(pause: TopicPause): void {
    for (const paused of [...pause.aliases]) {
      pause.remove(paused)
      paused.topic = undefined
      paused.tell()
      if (paused.isOver) this.#drop(paused)
    }
    this.#endPause(pause)
  }

  #drop({ publisher, alias }: PausedAlias<TopicPause>): void {
    const aliases = this.#aliases.get(publisher)
    aliases?.delete(alias)
    if (aliases?.size === 0) this.#aliases.delete(publisher)
  }

  /** The alias is paused no longer, and its client knows. */
  #forget(paused: PausedAlias<TopicPause>): void {
    const pause = paused.topic
    if (pause === undefined) return
    pause.remove(paused)
    paused.topic = undefined
    if (pause.isPaused) return
    if (this.#state === 'running') this.#endPause(pause)
    else this.topicCount -= 1
  }

  #endPause(pause: TopicPause): void {
    this.#clock.stop(pause)
    pause.topic.pause = undefined
    this.topicCount -= 1
    for (const holder of [...pause.holders]) this.#letGo(pause, holder)
    this.#events.resumed(pause)
  }

  /** A subscription that holds nobody up is none of ours. */
  #letGo(pause: TopicPause, holder: Holder<TopicPause>): void {
    pause.letGo(holder)
    if (holder.state === 'released' || holder.topics.size > 0) return
    this.#holders.delete(holder.subscription)
    holder.release()
  }
}
