import test from 'ava'
import { Grant } from '../../broker/permissions/grant.js'
import { mayReadAll, Permissions } from '../../broker/permissions/permissions.js'
import type { PermissionRule } from '../../broker/permissions/rule.js'

const BROKER_UID = 500
const ACTIONS = ['publish', 'subscribe', 'serve', 'request'] as const

/** Which of the topics a user may publish on: each rule below allows one. */
function published(rules: readonly PermissionRule[], uid: number, gid: number): string[] {
  const grant = new Permissions(rules, BROKER_UID).grantOf({ uid, gid })
  return ['a', 'b', 'c', 'd'].filter((topic) => grant.allows('publish', topic))
}

const RULES: PermissionRule[] = [
  { user: 1000, group: 7, publish: ['a'] },
  { user: 1000, publish: ['b'] },
  { group: 7, publish: ['c'] },
  { publish: ['d'] },
]

test('the first rule that is for a client holds, and it alone', (t) => {
  t.deepEqual(published(RULES, 1000, 7), ['a'])
  t.deepEqual(published(RULES, 1000, 8), ['b'])
  t.deepEqual(published(RULES, 1001, 7), ['c'])
  t.deepEqual(published(RULES, 1001, 8), ['d'])
  t.deepEqual(published([...RULES].reverse(), 1000, 7), ['d'])
})

test('whom no rule is for may do nothing, and is told so', (t) => {
  const nobody = new Permissions([{ user: 1000, publish: ['>'] }], BROKER_UID).grantOf({ uid: 1, gid: 2 })
  for (const action of ACTIONS) t.false(nobody.allows(action, 'a'))
  t.regex(nobody.rule, /permissions.*no rule.*user 1 in group 2/)
  t.deepEqual(published([], 1000, 7), [])
})

test('nobody knows who a client without credentials is: with rules, even a default one, it may do nothing', (t) => {
  t.false(new Permissions([{ publish: ['>'] }], BROKER_UID).grantOf(undefined).allows('publish', 'a'))
  t.true(new Permissions(undefined, BROKER_UID).grantOf(undefined).allows('publish', 'a'))
})

test('root and the broker’s own user may do everything, unless a rule names their user', (t) => {
  for (const uid of [0, BROKER_UID]) {
    t.deepEqual(published(RULES, uid, 7), ['a', 'b', 'c', 'd'])
    t.deepEqual(published([], uid, uid), ['a', 'b', 'c', 'd'])
    t.deepEqual(published([...RULES, { user: uid, publish: ['a', 'd'] }], uid, 7), ['a', 'd'])
    t.deepEqual(published([{ user: uid, group: 8, publish: ['a'] }], uid, 7), ['a', 'b', 'c', 'd'])
    const grant = new Permissions(RULES, BROKER_UID).grantOf({ uid, gid: 7 })
    t.true(grant.allows('subscribe', '$SYS.>') && grant.allows('request', '$SYS.stats'))
  }
})

test('a rule is named by its place and by whom it is for', (t) => {
  const ruleOf = (uid: number, gid: number) => new Permissions(RULES, BROKER_UID).grantOf({ uid, gid }).rule
  t.is(ruleOf(1000, 7), 'permissions[0] (user 1000, group 7)')
  t.is(ruleOf(1000, 8), 'permissions[1] (user 1000)')
  t.is(ruleOf(1001, 7), 'permissions[2] (group 7)')
  t.is(ruleOf(1001, 8), 'permissions[3] (the default)')
})

test('what a rule leaves out it does not allow; actions do not mix', (t) => {
  for (const allowed of ACTIONS) {
    const grant = Grant.of('a rule', { [allowed]: ['a.>'] })
    for (const action of ACTIONS) t.is(grant.allows(action, 'a.b'), action === allowed)
  }
})

test('one allowed pattern must cover a subscription; $ topics need one that says so', (t) => {
  const grant = Grant.of('a rule', { subscribe: ['a.*', 'a.*.>', '>'] })
  t.true(grant.allows('subscribe', 'a.>'), '> covers it')
  t.false(grant.allows('subscribe', '$SYS.stats'))
  const narrow = Grant.of('a rule', { subscribe: ['a.*', 'b', '$SYS.client.*'] })
  t.true(narrow.allows('subscribe', 'a.b'))
  t.false(narrow.allows('subscribe', 'a.>'))
  t.false(narrow.allows('subscribe', '*'))
  t.true(narrow.allows('subscribe', '$SYS.client.connected'))
  t.false(narrow.allows('subscribe', '$SYS.>'))
})

const holder = (uid: number | undefined, grant: Grant) => ({
  credentials: uid === undefined ? undefined : { uid, gid: 1 },
  grant,
})
const grantOf = (rule: PermissionRule) => Grant.of('a rule', rule)

test('without permissions everybody may read everybody’s memory, known or not', (t) => {
  t.true(mayReadAll(holder(1, Grant.everything), holder(2, Grant.everything)))
  t.true(mayReadAll(holder(undefined, Grant.everything), holder(undefined, Grant.everything)))
})

test('processes of one user may read each other’s memory, those of no known user may not', (t) => {
  const [reader, owner] = [grantOf({}), grantOf({ publish: ['a'], serve: ['b'] })]
  t.true(mayReadAll(holder(1, reader), holder(1, owner)))
  t.false(mayReadAll(holder(1, reader), holder(2, owner)))
  t.false(mayReadAll(holder(undefined, reader), holder(undefined, owner)))
})

const READS: [reader: PermissionRule, owner: PermissionRule, expected: boolean][] = [
  [{ subscribe: ['>'] }, { publish: ['a.*', 'b.>'] }, true],
  [{ subscribe: ['a.*', 'b.>'] }, { publish: ['a.x', 'b.y.*'] }, true],
  [{ subscribe: ['a.*'] }, { publish: ['a.x', 'b'] }, false],
  [{ subscribe: ['a.*'] }, { publish: ['a.>'] }, false],
  [{ publish: ['a'], serve: ['a'], request: ['a'] }, { publish: ['a'] }, false],
  [{}, {}, true],
  // Requests are for those who serve them, and the broker alone answers on its own topics.
  [{ subscribe: ['>'] }, { publish: ['a'], request: ['b'] }, false],
  [{ subscribe: ['>'], serve: ['b'] }, { publish: ['a'], request: ['b', '$SYS.>'] }, true],
  // Replies are for the one who asked.
  [{ subscribe: ['>'], serve: ['>'], request: ['>'] }, { publish: ['a'], serve: ['b'] }, false],
]

for (const [reader, owner, expected] of READS) {
  const title = `${JSON.stringify(reader)} ${expected ? 'may' : 'may not'} read all of ${JSON.stringify(owner)}`
  test(title, (t) => t.is(mayReadAll(holder(1, grantOf(reader)), holder(2, grantOf(owner))), expected))
}

test('whoever may do everything may read all, and is read by nobody of another user who may not', (t) => {
  const all = { subscribe: ['>'], publish: ['>'], serve: ['>'], request: ['>'] }
  t.true(mayReadAll(holder(1, Grant.everything), holder(2, grantOf(all))))
  t.false(mayReadAll(holder(2, grantOf(all)), holder(1, Grant.everything)))
})
