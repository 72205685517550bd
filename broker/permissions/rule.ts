/** What a client may do with a topic. */
export type Action = 'publish' | 'subscribe' | 'serve' | 'request'

/**
 * What the processes of a user, of a group, or of a user in a group may do: patterns, by action. An action that is
 * left out is not allowed. A rule with neither user nor group is the default.
 */
export interface PermissionRule extends Partial<Record<Action, readonly string[] | undefined>> {
  /** The number of a user. */
  readonly user?: number | undefined
  /** The number of a process's effective group; the others that its user belongs to do not count. */
  readonly group?: number | undefined
}

/** Rules that there may be. One is looked for at each connection, so this bounds what a connection costs. */
export const RULES_MAX = 1024

/** Patterns of one action in one rule. Each TOPIC, SUBSCRIBE, SERVE and REQUEST is compared with all of them. */
export const PATTERNS_MAX = 256

/** Whether a rule is for this user and group. */
export function isFor({ user, group }: PermissionRule, uid: number, gid: number): boolean {
  return (user === undefined || user === uid) && (group === undefined || group === gid)
}

/** A rule as refusals and the log name it. */
export function nameOf({ user, group }: PermissionRule, index: number): string {
  const whom = [
    ...(user === undefined ? [] : [`user ${user}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
  ]
  return `permissions[${index}] (${whom.length === 0 ? 'the default' : whom.join(', ')})`
}
