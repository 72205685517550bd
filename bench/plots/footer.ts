import type { StoredResults, StoredScenario } from './stored-results.js'
import { stylesOf } from './systems.js'

/** What of the rounds is drawn as a line. */
export type Combined = 'median of' | 'all times of'

interface Drawn {
  readonly system: string
}

/** What the figures depend on: rounds, machine, versions. */
export function footerOf(
  { machine, versions }: StoredResults,
  scenarios: readonly StoredScenario[],
  drawn: readonly Drawn[],
  combined: Combined = 'median of',
): string[] {
  const { node, kernel, processor, processors } = machine
  return [
    [roundsOf(scenarios, combined), ...voidsOf(scenarios)].join('; '),
    `${processor}, ${processors} processors, kernel ${kernel}, Node ${node}`,
    versionsOf(versions, drawn),
  ]
}

function roundsOf(scenarios: readonly StoredScenario[], combined: Combined): string {
  const counts = scenarios
    .flatMap(({ samples }) => Object.values(samples))
    .map((list = []) => list.filter((sample) => sample !== null).length)
    .filter((count) => count > 0)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  if (most <= 1) return 'One round'
  const range = least === most ? `${most}` : `${least} to ${most}`
  const drawn = combined === 'median of' ? 'Median of' : 'All times of'
  return `${drawn} ${range} rounds; whiskers from the smallest round to the largest`
}

function voidsOf(scenarios: readonly StoredScenario[]): string[] {
  const count = scenarios.reduce((sum, { voids }) => sum + voids.length, 0)
  return count === 0 ? [] : [`left out as void: ${count} sample${count === 1 ? '' : 's'}`]
}

/** ringbus is named once, whichever of its ways are drawn. */
function versionsOf(versions: StoredResults['versions'], drawn: readonly Drawn[]): string {
  const named = [...stylesOf(drawn.map(({ system }) => system))].flatMap(([system, { label }]) => {
    const version = versions[system]
    const name = system.startsWith('ringbus') ? 'ringbus' : label
    return version === undefined ? [] : [`${name} ${version}`]
  })
  return [...new Set(named)].join(', ')
}
