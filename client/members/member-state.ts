/**
 * What becomes of a subscription or a service:
 *
 *   active ──drain──> draining ──drained──> finishing ──emptied──> ended
 *   active, draining ──leave──> leaving ──drained──> settling ──emptied──> ended
 *   finishing ──leave──> settling
 *
 *   active     frames come and are handled
 *   draining   the broker was asked to send what it still has, and no more
 *   finishing  everything has arrived, handlers are still busy with it
 *   leaving    what still comes is thrown away
 *   settling   nothing comes any more and nothing waits; handlers that run still have their end to report
 */
export type MemberState = 'active' | 'draining' | 'finishing' | 'leaving' | 'settling' | 'ended'

/** `lost` is the end of a connection: it answers every question to the broker. */
export type MemberEvent = 'drain' | 'leave' | 'drained' | 'emptied' | 'lost' | 'refused'

const NEXT: Record<MemberState, Partial<Record<MemberEvent, MemberState>>> = {
  active: { drain: 'draining', leave: 'leaving', refused: 'ended' },
  draining: { drained: 'finishing', lost: 'finishing', leave: 'leaving', refused: 'ended' },
  finishing: { emptied: 'ended', leave: 'settling' },
  leaving: { drained: 'settling', lost: 'ended', refused: 'ended' },
  settling: { emptied: 'ended', lost: 'ended' },
  ended: {},
}

/** The state after an event; the same one when the event means nothing to it. */
export function nextMemberState(state: MemberState, event: MemberEvent): MemberState {
  return NEXT[state][event] ?? state
}
