/** How a system is drawn: apart from the others for those who see no colours, too. */
export interface SystemStyle {
  readonly label: string
  readonly colour: string
  /** The same, dark enough for text on white. */
  readonly textColour: string
  readonly width: number
  readonly dash: readonly number[] | 'solid'
  readonly symbol: 'circle' | 'rect' | 'triangle' | 'diamond' | 'arrow'
}

const BLUE = '#0072B2'
const SKY = '#56B4E9'

const own = (label: string, style: Partial<SystemStyle>): SystemStyle => ({
  label,
  colour: BLUE,
  textColour: BLUE,
  width: 3.5,
  dash: 'solid',
  symbol: 'circle',
  ...style,
})

const peer = (
  label: string,
  colour: string,
  textColour: string,
  symbol: SystemStyle['symbol'],
): SystemStyle => ({
  label,
  colour,
  textColour,
  width: 1.8,
  dash: 'solid',
  symbol,
})

/** In the order of tables. The colours are Okabe's and Ito's; all of ringbus is blue, and what floors have is grey. */
const STYLES: ReadonlyMap<string, SystemStyle> = new Map([
  ['ringbus', own('ringbus', {})],
  ['ringbus-low', own('ringbus-low', { colour: SKY, textColour: '#1B77AD', width: 3 })],
  ['ringbus-loan', own('ringbus-loan', {})],
  ['ringbus-asleep', own('ringbus-asleep', { width: 2.5, dash: [2, 3] })],
  ['ringbus-socket', own('ringbus-socket', { width: 2.5, dash: [8, 4] })],
  ['ringbus-view', own('ringbus-view', { width: 2.5, dash: [2, 3] })],
  ['ringbus-copies', own('ringbus-copies', { colour: SKY, textColour: '#1B77AD', width: 3 })],
  ['ringbus-inline', own('ringbus-inline', { width: 2.5, dash: [8, 4] })],
  ['nats', peer('NATS', '#D55E00', '#B04E00', 'triangle')],
  ['redis', peer('Redis', '#E69F00', '#8F6300', 'rect')],
  ['mosquitto', peer('Mosquitto', '#009E73', '#00775A', 'diamond')],
  ['zeromq', peer('ZeroMQ', '#CC79A7', '#A24C7E', 'arrow')],
])

const ORDER = [...STYLES.keys()]

const OTHER_GREYS = ['#444444', '#7A7A7A', '#5E5E5E', '#929292']
const OTHER_DASHES: readonly SystemStyle['dash'][] = [[2, 3], [6, 3], [10, 3, 2, 3], 'solid']

/** Of each, in the order in which they are listed: ringbus, its peers, and whatever else was measured beside them. */
export function stylesOf(systems: Iterable<string>): Map<string, SystemStyle> {
  const names = [...systems]
  const known = names.filter((name) => STYLES.has(name))
  const others = names.filter((name) => !STYLES.has(name))
  known.sort((left, right) => ORDER.indexOf(left) - ORDER.indexOf(right))
  return new Map([
    ...known.map((name) => [name, STYLES.get(name)!] as const),
    ...others.sort().map((name, index) => [name, otherStyle(name, index)] as const),
  ])
}

function otherStyle(label: string, index: number): SystemStyle {
  const grey = OTHER_GREYS[index % OTHER_GREYS.length]!
  const dash = OTHER_DASHES[index % OTHER_DASHES.length]!
  return { label, colour: grey, textColour: '#444444', width: 1.8, dash, symbol: 'circle' }
}
