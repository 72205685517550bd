import type { Axis } from './axis.js'
import type { Figure } from './figure.js'

export const FONT = 'system-ui, -apple-system, Helvetica, Arial, sans-serif'

/** As wide as a page of documentation, in pixels; it is scaled where there is less room. */
export const PAGE = { width: 860, height: 490 }

export const INK = '#1F2328'
export const FAINT_INK = '#59636E'
export const GRID_LINE = '#D9DEE3'

/** Where values are drawn: what is right of it depends on the figure. */
export const PLOT = { left: 84, top: 84, bottom: PAGE.height - 116 }

const TITLE = { left: 16, top: 14, subtitleTop: 42 }
const FOOTER = { lineHeight: 15, bottom: 12 }

interface TextPlace {
  readonly left: number
  /** Of the middle of the line. */
  readonly middle: number
  readonly align?: 'left' | 'right'
}

interface TextLook {
  readonly size: number
  readonly colour: string
  readonly isBold?: boolean
}

/** One line of text. */
export function textAt(text: string, { left, middle, align = 'left' }: TextPlace, look: TextLook) {
  const { size, colour, isBold = false } = look
  return {
    type: 'text',
    silent: true,
    x: left,
    y: middle,
    style: {
      text,
      fill: colour,
      font: `${isBold ? 'bold ' : ''}${size}px ${FONT}`,
      textAlign: align,
      textVerticalAlign: 'middle',
    },
  }
}

/** Title, subtitle and footer. */
export function wordsAround({ title, subtitle, footer }: Figure) {
  const { left, top, subtitleTop } = TITLE
  return [
    textAt(title, { left, middle: top + 9 }, { size: 18, colour: INK, isBold: true }),
    textAt(subtitle, { left, middle: subtitleTop + 7 }, { size: 13, colour: FAINT_INK }),
    ...footer.map((line, index) =>
      textAt(
        line,
        { left, middle: PAGE.height - FOOTER.bottom - FOOTER.lineHeight * (footer.length - index - 0.5) },
        { size: 11, colour: FAINT_INK },
      ),
    ),
  ]
}

/** An axis as the library has it, with its ticks where ours are. */
export function axisOption({ title, scale, min, max, ticks }: Axis, nameGap: number) {
  const values = ticks.map(({ at }) => at)
  const labels = new Map(ticks.map(({ at, label }) => [at, label]))
  return {
    type: scale === 'log' ? 'log' : 'value',
    min,
    max,
    name: title,
    nameLocation: 'middle',
    nameGap,
    nameTextStyle: { color: INK, fontSize: 13 },
    axisLine: { show: true, onZero: false, lineStyle: { color: FAINT_INK } },
    axisTick: { show: false, customValues: values },
    axisLabel: {
      customValues: values,
      formatter: (value: number) => labels.get(value) ?? '',
      color: INK,
      fontSize: 12,
      hideOverlap: true,
    },
    splitLine: { show: true, lineStyle: { color: GRID_LINE, width: 1 } },
  }
}
