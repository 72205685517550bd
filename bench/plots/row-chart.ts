import type { CustomSeriesRenderItemAPI } from 'echarts'
import type { EChartsCoreOption } from 'echarts/core'
import type { Row, RowFigure } from './figure.js'
import { axisOption, FAINT_INK, INK, PAGE, PLOT, textAt, wordsAround } from './frame.js'
import { type SystemStyle, stylesOf } from './systems.js'

/** Names on the left; on the right a column of values for each mark. */
const NAME_RIGHT = 112
const PLOT_LEFT = 126
const COLUMN_WIDTH = 72
const COLUMNS_RIGHT = PAGE.width - 20

const HEADING_MIDDLE = PLOT.top - 4
const ROWS_TOP = PLOT.top + 12

const AXIS_NAME_GAP = 28
const WHISKER_HALF_HEIGHT = 6

/** For a mark each: of the chart, and the same in a heading. */
const SYMBOLS = ['circle', 'diamond', 'rect'] as const
const SYMBOL_LETTERS = ['●', '◆', '■']
const SYMBOL_SIZES = [12, 14, 10]

interface DrawnRow {
  readonly row: Row
  readonly style: SystemStyle
  readonly index: number
}

export function rowOption(figure: RowFigure): EChartsCoreOption {
  const styles = stylesOf(figure.rows.map(({ system }) => system))
  const drawn = figure.rows.map((row, index) => ({ row, style: styles.get(row.system)!, index }))
  const plotRight = COLUMNS_RIGHT - figure.marks.length * COLUMN_WIDTH - 12
  return {
    grid: {
      left: PLOT_LEFT,
      top: ROWS_TOP,
      width: plotRight - PLOT_LEFT,
      height: PLOT.bottom - ROWS_TOP,
      containLabel: false,
    },
    xAxis: axisOption(figure.x, AXIS_NAME_GAP),
    yAxis: {
      type: 'value',
      min: 0,
      max: drawn.length,
      inverse: true,
      axisLabel: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLine: { show: true, lineStyle: { color: FAINT_INK } },
    },
    series: drawn.flatMap((each) => [range(each), ...figure.marks.map((_, mark) => symbol(each, mark))]),
    graphic: { elements: [...wordsAround(figure), ...table(figure, drawn)] },
  }
}

const AT_REST = { silent: true, emphasis: { disabled: true }, clip: false }

/** A bar from the first mark to the last, and how far the rounds of each lie apart. */
function range({ row: { values }, style: { colour }, index }: DrawnRow) {
  return {
    ...AT_REST,
    type: 'custom',
    data: [[0, index + 0.5]],
    renderItem(_: unknown, api: CustomSeriesRenderItemAPI) {
      const at = (value: number) => api.coord([value, index + 0.5]) as [number, number]
      const [left, y] = at(values[0]!.median)
      const [right] = at(values.at(-1)!.median)
      const whiskers = values
        .filter(({ min, max }) => max > min)
        .map(({ min, max }) => {
          const cap = (value: number) =>
            `M${at(value)[0]} ${y - WHISKER_HALF_HEIGHT}v${2 * WHISKER_HALF_HEIGHT}`
          return `M${at(min)[0]} ${y}H${at(max)[0]}${cap(min)}${cap(max)}`
        })
      return {
        type: 'group',
        silent: true,
        children: [
          {
            type: 'path',
            shape: { pathData: `M${left} ${y}H${right}` },
            style: { stroke: colour, fill: 'none', lineWidth: 9, opacity: 0.3 },
          },
          {
            type: 'path',
            shape: { pathData: whiskers.join('') },
            style: { stroke: colour, fill: 'none', lineWidth: 1.2 },
          },
        ],
      }
    },
  }
}

function symbol({ row, style, index }: DrawnRow, mark: number) {
  return {
    ...AT_REST,
    type: 'scatter',
    data: [[row.values[mark]!.median, index + 0.5]],
    symbol: SYMBOLS[mark % SYMBOLS.length],
    symbolSize: SYMBOL_SIZES[mark % SYMBOL_SIZES.length],
    itemStyle: { color: style.colour, borderColor: '#ffffff', borderWidth: 1, opacity: 1 },
  }
}

function table({ marks, format }: RowFigure, drawn: readonly DrawnRow[]) {
  const columnRight = (mark: number) => COLUMNS_RIGHT - (marks.length - 1 - mark) * COLUMN_WIDTH
  const rowHeight = (PLOT.bottom - ROWS_TOP) / drawn.length
  const headings = marks.map((mark, index) =>
    textAt(
      `${SYMBOL_LETTERS[index % SYMBOL_LETTERS.length]} ${mark}`,
      { left: columnRight(index), middle: HEADING_MIDDLE, align: 'right' },
      { size: 13, colour: FAINT_INK },
    ),
  )
  const rows = drawn.flatMap(({ row, style, index }) => {
    const middle = ROWS_TOP + (index + 0.5) * rowHeight
    const isBold = style.width > 3
    return [
      textAt(
        style.label,
        { left: NAME_RIGHT, middle, align: 'right' },
        { size: 14, colour: style.textColour, isBold },
      ),
      ...row.values.map(({ median }, mark) =>
        textAt(
          format(median),
          { left: columnRight(mark), middle, align: 'right' },
          { size: 13, colour: INK, isBold },
        ),
      ),
    ]
  })
  return [...headings, ...rows]
}
