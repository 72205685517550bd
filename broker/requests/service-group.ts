import { HeldRequests } from './held-requests.js'
import type { Service } from './service.js'

/** The responders of one pattern, and the requests that wait for one of them to be free. */
export class ServiceGroup {
  readonly pattern: string
  readonly members = new Set<Service>()
  readonly held = new HeldRequests()

  constructor(pattern: string) {
    this.pattern = pattern
  }

  /** The free member with the fewest requests on its hands. */
  freeMember(): Service | undefined {
    let least: Service | undefined
    for (const member of this.members) {
      if (member.isFree && (least === undefined || member.links.size < least.links.size)) least = member
    }
    // The one chosen moves to the end of the line, so that equals take turns.
    if (least !== undefined && this.members.size > 1) {
      this.members.delete(least)
      this.members.add(least)
    }
    return least
  }
}
