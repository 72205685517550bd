import { CustomChart, LineChart, ScatterChart } from 'echarts/charts'
import { GraphicComponent, GridComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { Figure } from './figure.js'
import { FONT, PAGE } from './frame.js'
import { lineOption } from './line-chart.js'
import { rowOption } from './row-chart.js'

use([CustomChart, LineChart, ScatterChart, GraphicComponent, GridComponent, SVGRenderer])

/** As SVG: the same bytes for the same figure. */
export function render(figure: Figure): string {
  const { width, height } = PAGE
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  try {
    const option = figure.kind === 'lines' ? lineOption(figure) : rowOption(figure)
    chart.setOption({ ...COMMON, ...option })
    return `${titled(reproducible(chart.renderToSVGString()), figure.title)}\n`
  } finally {
    chart.dispose()
  }
}

/** White, so that it can be read on a dark page as well. */
const COMMON: EChartsCoreOption = {
  animation: false,
  backgroundColor: '#ffffff',
  textStyle: { fontFamily: FONT },
}

/** With the title that screen readers say. */
function titled(svg: string, title: string): string {
  const text = title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return svg.replace('>', `>\n<title>${text}</title>`)
}

/**
 * The library numbers classes and identifiers through all that the process has drawn. Classes, their style, and some
 * attributes are for pages that react to the pointer, and go; identifiers are needed within the figure alone.
 */
function reproducible(svg: string): string {
  return svg
    .replace(/<style\b.*?<\/style>\s*/gs, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/\bzr\d+-/g, '')
}
