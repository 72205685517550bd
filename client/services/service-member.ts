import {
  encodeBody,
  Flag,
  hasExpired,
  isByRing,
  Kind,
  Offset,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import { debug } from '../debug.js'
import type { Run } from '../inbound/run-queue.js'
import { Member, type MemberContext } from '../members/member.js'
import type { Sender } from '../outbound/sender.js'
import { isThenable } from '../thenable.js'
import { Call, cancelled } from './call.js'
import type { Calls } from './calls.js'
import { Request } from './request.js'

/** Answers one request: with a value, a promise of one, or an (async) generator whose parts are streamed. */
export type ServiceHandler<T, Reply> = (
  request: Request<T>,
) => Reply | Promise<Reply> | AsyncIterable<Reply> | Generator<Reply>

export interface ServiceSettings {
  readonly pattern: string
  readonly concurrency: number
  /** Whether payloads by ring are read where they lie. */
  readonly view: boolean
}

/** A service as the client keeps it: requests come by the inbox, answers go straight out. */
export class ServiceMember<T, Reply> extends Member {
  readonly frameKind = Kind.REQUEST
  readonly #sender: Sender
  readonly #calls: Calls
  readonly #handler: ServiceHandler<T, Reply>
  readonly #settings: ServiceSettings
  #busyHandlers = 0

  constructor(
    context: MemberContext,
    sender: Sender,
    calls: Calls,
    id: number,
    settings: ServiceSettings,
    handler: ServiceHandler<T, Reply>,
  ) {
    super(context, id, settings.pattern, settings.concurrency)
    this.#sender = sender
    this.#calls = calls
    this.#handler = handler
    this.#settings = settings
  }

  enrol(): void {
    const { pattern, concurrency } = this.#settings
    const body = encodeBody(Kind.SERVE, { pattern, concurrency })
    this.context.outbox.control(Kind.SERVE, 0, this.id, body)
  }

  /** A request has arrived; its turn comes by priority. */
  arrived(bytes: Buffer, start: number): void {
    const linkId = readU32(bytes, start + Offset.ID)
    const call = new Call(this.context.outbox, this.#sender, linkId, bytes[start + Offset.PRIORITY]!)
    this.#calls.add(linkId, call)
  }

  override start(run: Run, start: number, length: number): void {
    const { bytes } = run.memory
    const linkId = readU32(bytes, start + Offset.ID)
    const call = this.#calls.find(linkId)!
    const refusal = call.cancellation.isCancelled
      ? cancelled()
      : hasExpired(bytes, start)
        ? new RingbusError('TIMEOUT', 'The request expired before its turn came')
        : undefined
    if (refusal === undefined) return this.#handle(run, start, length, linkId, call)
    this.discarded(bytes, start, length)
    call.fail(refusal)
    this.#calls.remove(linkId, call)
  }

  override connectionLost(): void {
    // What waits cannot be answered any more, and goes to another responder.
    this.clear()
    super.connectionLost()
  }

  protected override get isBusy(): boolean {
    return this.#busyHandlers > 0
  }

  protected override askToDrain(): void {
    this.context.outbox.control(Kind.UNSERVE, 0, this.id)
  }

  protected override askToLeave(): void {
    this.askToDrain()
  }

  #handle(run: Run, start: number, length: number, linkId: number, call: Call): void {
    const { memory, topic } = run
    const { bytes } = memory
    const wantsStream = (bytes[start + Offset.FLAGS]! & Flag.STREAM) !== 0
    let request: Request<T> | undefined
    let result: unknown
    try {
      const payload = isByRing(bytes, start)
        ? this.context.incoming.take(bytes, start, topic, this.#settings.view)
        : undefined
      request = new Request<T>(memory, start, length, topic, payload, call.cancellation)
      result = this.#handler(request)
    } catch (error) {
      call.fail(error)
      this.#over(linkId, call, request)
      return
    }
    if (!wantsStream && !isThenable(result) && !isStream(result)) {
      call.reply(result)
      this.#over(linkId, call, request)
      return
    }
    this.context.inbox.take(this)
    this.#busyHandlers += 1
    void answer(call, result, wantsStream).then(() => this.#answered(linkId, call, request))
  }

  #over(linkId: number, call: Call, request: Request<T> | undefined): void {
    request?.release()
    this.#calls.remove(linkId, call)
  }

  #answered(linkId: number, call: Call, request: Request<T>): void {
    this.#over(linkId, call, request)
    this.#busyHandlers -= 1
    this.context.inbox.give(this)
    this.context.inbox.resume()
  }
}

/** Sends whatever a handler has returned. Never rejects. */
async function answer(call: Call, result: unknown, wantsStream: boolean): Promise<void> {
  try {
    const value = await result
    if (isStream(value)) await answerByStream(call, value, wantsStream)
    else if (!wantsStream) call.reply(value)
    else {
      await call.part(value)
      call.end()
    }
  } catch (error) {
    if (call.isWanted) call.fail(error)
    else {
      // Handlers commonly throw once their signal is aborted, and nobody waits for that.
      debug('a handler failed after its request was cancelled: %s', error)
      call.fail(cancelled())
    }
  }
}

async function answerByStream(
  call: Call,
  parts: AsyncIterable<unknown> | Iterable<unknown>,
  wantsStream: boolean,
): Promise<void> {
  if (!wantsStream) {
    throw new RingbusError('HANDLER_ERROR', 'The service answers with a stream: ask with requestStream')
  }
  for await (const part of parts) {
    if (!call.isWanted) break
    await call.part(part)
    if (!call.isWanted) break
  }
  call.end()
}

/** Async iterables and generators are streams; an array is a value. */
function isStream(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return false
  if (Symbol.asyncIterator in value) return true
  return Symbol.iterator in value && typeof (value as { next?: unknown }).next === 'function'
}
