import type { Route } from '../routing/route.js'

/**
 * What an alias stands for when its client may not publish on the topic. It takes the place of the route, and is
 * told from it by the look at `reserved` that every message needs anyway: so permissions cost a message nothing.
 */
export class DeniedRoute {
  /** As of a topic of the broker's own: it takes no messages. */
  readonly reserved = true
  readonly route: Route

  constructor(route: Route) {
    this.route = route
  }
}

/** The route that an alias was bound to, whatever its client may do with it. */
export function routeBehind(bound: Route | DeniedRoute): Route {
  return bound instanceof DeniedRoute ? bound.route : bound
}
