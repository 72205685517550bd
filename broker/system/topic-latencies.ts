import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Topics of which latencies are kept; beyond, the one that was reported least recently leaves. About 46 KiB each. */
const TOPICS_MAX = 512

/** What is asked for is at least so recent, and at most twice as old. */
const PERIOD_MS = 60_000

/** Figures that are exact: 1 %. */
const FIGURES = 2

/** Whatever takes longer counts as this: an hour. */
const MICROS_MAX = 3_600_000_000

/** What a topic's subscribers have reported in the last minute or two, as $SYS shows it. */
export interface LatencySummary {
  readonly samples: number
  readonly p50Micros: number
  readonly p99Micros: number
  readonly maxMicros: number
}

/**
 * The one-way latencies of topics, from the sending to the call of a handler, as clients report them. [FLOW-4] Two
 * histograms for each topic take turns: one is filled for a minute while the other tells of the minute before.
 */
export class TopicLatencies {
  readonly #nowMs: () => number
  /** From the least recently reported topic to the latest one. */
  readonly #topics = new Map<string, TopicLatency>()

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  record(topic: string, nanoseconds: number): void {
    const nowMs = this.#nowMs()
    const latency = this.#topics.get(topic) ?? new TopicLatency(nowMs)
    this.#topics.delete(topic)
    this.#topics.set(topic, latency)
    latency.record(nanoseconds, nowMs)
    if (this.#topics.size <= TOPICS_MAX) return
    for (const [oldest] of this.#topics) {
      this.#topics.delete(oldest)
      return
    }
  }

  /** Undefined when nothing was reported lately. */
  of(topic: string): LatencySummary | undefined {
    return this.#topics.get(topic)?.summary(this.#nowMs())
  }

  /** The topics of which something may be known. */
  get topics(): Iterable<string> {
    return this.#topics.keys()
  }
}

class TopicLatency {
  #recent = newHistogram()
  /** The minute before; made when the first one is over. */
  #former: RecordableHistogram | undefined
  #sinceMs: number

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
  }

  record(nanoseconds: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#recent.record(Math.min(Math.max(Math.round(nanoseconds / 1000), 1), MICROS_MAX))
  }

  summary(nowMs: number): LatencySummary | undefined {
    this.#turn(nowMs)
    both.reset()
    both.add(this.#recent)
    if (this.#former !== undefined) both.add(this.#former)
    if (both.count === 0) return undefined
    return {
      samples: both.count,
      p50Micros: both.percentile(50),
      p99Micros: both.percentile(99),
      maxMicros: both.max,
    }
  }

  /** Begins another minute when one is over. */
  #turn(nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < PERIOD_MS) return
    this.#sinceMs = nowMs
    const spare = this.#former ?? newHistogram()
    spare.reset()
    this.#former = this.#recent
    // Nothing came for so long that the last minute with anything in it is over, too.
    if (elapsedMs >= 2 * PERIOD_MS) this.#former.reset()
    this.#recent = spare
  }
}

function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: MICROS_MAX, figures: FIGURES })
}

/** What both halves of a topic are added up in: one serves all. */
const both = newHistogram()
