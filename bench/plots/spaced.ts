/**
 * Places as near to those wanted as may be, with at least `gap` between any two and all between the bounds, as long as
 * these have room for that. Keeps the order.
 */
export function spaced(
  wanted: readonly number[],
  gap: number,
  [low, high]: readonly [low: number, high: number],
): number[] {
  const order = wanted.map((_, index) => index).sort((left, right) => wanted[left]! - wanted[right]!)
  // Groups whose members would lie too near to each other share out the difference.
  const groups: { members: number[]; first: number }[] = []
  const firstOf = (members: readonly number[]) => {
    const ideal =
      members.reduce((sum, member, rank) => sum + wanted[member]! - rank * gap, 0) / members.length
    return Math.max(low, Math.min(ideal, high - (members.length - 1) * gap))
  }
  for (const index of order) {
    let group = { members: [index], first: firstOf([index]) }
    for (let before = groups.at(-1); before && overlap(before, group, gap); before = groups.at(-1)) {
      groups.pop()
      const members = [...before.members, ...group.members]
      group = { members, first: firstOf(members) }
    }
    groups.push(group)
  }
  const places = new Array<number>(wanted.length)
  for (const { members, first } of groups) {
    for (const [rank, member] of members.entries()) places[member] = first + rank * gap
  }
  return places
}

interface Group {
  readonly members: readonly number[]
  readonly first: number
}

function overlap(before: Group, after: Group, gap: number): boolean {
  return before.first + before.members.length * gap > after.first
}
