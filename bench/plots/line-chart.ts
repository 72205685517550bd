import type { CustomSeriesRenderItemAPI } from 'echarts'
import type { EChartsCoreOption } from 'echarts/core'
import { shareOf } from './axis.js'
import type { LineFigure, Point, Series } from './figure.js'
import { axisOption, PAGE, PLOT, textAt, wordsAround } from './frame.js'
import { spaced } from './spaced.js'
import { type SystemStyle, stylesOf } from './systems.js'

/** Names of systems stand beside the ends of their lines. */
const NAME_GAP = 22
const NAME_LINE_HEIGHT = 17
const NAME_SIZE = 13
/** Of bold letters in wide fonts: no name is to be cut off. */
const LETTER_WIDTH = 7.6
const PAGE_MARGIN = 12

const SYMBOL_SIZE = 8
const WHISKER_HALF_WIDTH = 4

const AXIS_NAME_GAPS = { x: 28, y: 62 }

interface DrawnSeries {
  readonly series: Series
  readonly style: SystemStyle
}

export function lineOption(figure: LineFigure): EChartsCoreOption {
  const styles = stylesOf(figure.series.map(({ system }) => system))
  const drawn = figure.series.map((series) => ({ series, style: styles.get(series.system)! }))
  const letters = Math.max(...drawn.map(({ style }) => style.label.length))
  const plotRight = PAGE.width - PAGE_MARGIN - letters * LETTER_WIDTH - NAME_GAP
  return {
    grid: {
      left: PLOT.left,
      top: PLOT.top,
      width: plotRight - PLOT.left,
      height: PLOT.bottom - PLOT.top,
      containLabel: false,
    },
    xAxis: axisOption(figure.x, AXIS_NAME_GAPS.x),
    yAxis: axisOption(figure.y, AXIS_NAME_GAPS.y),
    // What is first in the list lies above the others.
    series: drawn
      .toReversed()
      .flatMap(({ series, style }) => [
        line(series, style),
        whiskers(series.points, style),
        symbols(series.points, style),
      ])
      .map((each, index) => ({ ...each, z: index + 1 })),
    graphic: { elements: [...wordsAround(figure), ...names(figure, drawn, plotRight)] },
  }
}

const AT_REST = { silent: true, emphasis: { disabled: true }, clip: false }

function line({ line }: Series, { colour, width, dash }: SystemStyle) {
  return {
    ...AT_REST,
    type: 'line',
    data: line.map((point) => [...point]),
    showSymbol: false,
    lineStyle: { color: colour, width, type: dash, join: 'round' },
  }
}

function symbols(points: readonly Point[], { colour, symbol, width }: SystemStyle) {
  return {
    ...AT_REST,
    type: 'scatter',
    data: points.map(({ x, y }) => [x, y.median]),
    symbol,
    symbolSize: SYMBOL_SIZE + (width > 2 ? 1 : 0),
    itemStyle: { color: colour, borderColor: '#ffffff', borderWidth: 1, opacity: 1 },
  }
}

/** From the smallest to the largest of the rounds. */
function whiskers(points: readonly Point[], { colour }: SystemStyle) {
  const data = points.filter(({ y }) => y.max > y.min).map(({ x, y }) => [x, y.min, y.max])
  return {
    ...AT_REST,
    type: 'custom',
    data,
    encode: { x: 0, y: [1, 2] },
    renderItem(_: unknown, api: CustomSeriesRenderItemAPI) {
      const [x, low] = api.coord([api.value(0), api.value(1)]) as [number, number]
      const [, high] = api.coord([api.value(0), api.value(2)]) as [number, number]
      const cap = (y: number) => `M${x - WHISKER_HALF_WIDTH} ${y}h${2 * WHISKER_HALF_WIDTH}`
      return {
        type: 'path',
        shape: { pathData: `M${x} ${low}V${high}${cap(low)}${cap(high)}` },
        style: { stroke: colour, fill: 'none', lineWidth: 1.2 },
        silent: true,
      }
    },
  }
}

/** The name of each system at the end of its line, moved where names would lie on each other. */
function names({ x, y }: LineFigure, drawn: readonly DrawnSeries[], plotRight: number) {
  const nameLeft = plotRight + NAME_GAP
  const ends = drawn.map(({ series: { line } }) => {
    const [endX, endY] = line.at(-1)!
    return {
      left: PLOT.left + shareOf(x, endX) * (plotRight - PLOT.left),
      middle: PLOT.bottom - shareOf(y, endY) * (PLOT.bottom - PLOT.top),
    }
  })
  const middles = spaced(
    ends.map(({ middle }) => middle),
    NAME_LINE_HEIGHT,
    [PLOT.top, PLOT.bottom],
  )
  return drawn.flatMap(({ style: { label, colour, textColour, width } }, index) => {
    const middle = middles[index]!
    const end = ends[index]!
    const shape = { x1: end.left + SYMBOL_SIZE, y1: end.middle, x2: nameLeft - 4, y2: middle }
    return [
      { type: 'line', silent: true, shape, style: { stroke: colour, lineWidth: 1, opacity: 0.6 } },
      textAt(label, { left: nameLeft, middle }, { size: NAME_SIZE, colour: textColour, isBold: width > 3 }),
    ]
  })
}
