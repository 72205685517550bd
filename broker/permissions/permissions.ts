import { Grant } from './grant.js'
import { isFor, nameOf, type PermissionRule } from './rule.js'

/** A user and a group, as the kernel says. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** A client, as far as permissions look at it. */
export interface Holder {
  readonly credentials: Identity | undefined
  readonly grant: Grant
}

const ROOT_UID = 0

/**
 * Who may do what: rules in the order in which they are looked at, the first that is for a client holds. Without
 * rules everybody may do everything. With rules, whom none is for may do nothing, but for root and the broker's own
 * user: they can stop the broker and read its memory, so they are bound by no rule that does not name their user.
 */
export class Permissions {
  readonly #brokerUid: number
  readonly #rules: readonly PermissionRule[] | undefined
  readonly #grants: readonly Grant[]

  constructor(rules: readonly PermissionRule[] | undefined, brokerUid: number) {
    this.#brokerUid = brokerUid
    this.#rules = rules
    this.#grants = (rules ?? []).map((rule, index) => Grant.of(nameOf(rule, index), rule))
  }

  /** What a client may do; nothing, if nobody knows who it is. */
  grantOf(identity: Identity | undefined): Grant {
    if (this.#rules === undefined) return Grant.everything
    if (identity === undefined) return Grant.of('permissions (its user is unknown)', {})
    const { uid, gid } = identity
    const isMaster = uid === ROOT_UID || uid === this.#brokerUid
    const index = this.#rules.findIndex((rule) => isFor(rule, uid, gid) && (!isMaster || rule.user === uid))
    if (index !== -1) return this.#grants[index]!
    if (isMaster) return Grant.everything
    return Grant.of(`permissions (no rule is for user ${uid} in group ${gid})`, {})
  }
}

/**
 * Whether a client may see everything that another one might write into memory that both share: processes of one
 * user have no secrets from each other, others must be allowed to get all of it by messages and requests, too.
 */
export function mayReadAll(reader: Holder, owner: Holder): boolean {
  if (reader.grant.readsAllOf(owner.grant)) return true
  const uid = reader.credentials?.uid
  return uid !== undefined && uid === owner.credentials?.uid
}
