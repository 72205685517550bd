import { escapeControls } from './escape-controls.js'

export type Cell = string | number

/** Lines of a table with aligned columns: numbers to the right, text to the left. */
export function tableLines(headings: readonly string[], cells: readonly (readonly Cell[])[]): string[] {
  const rows = cells.map((row) => row.map((cell) => (typeof cell === 'string' ? escapeControls(cell) : cell)))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => String(row[column]).length)),
  )
  return [headings, ...rows].map((row) =>
    row
      .map((cell, column) => aligned(cell, column))
      .join('  ')
      .trimEnd(),
  )

  function aligned(cell: Cell, column: number): string {
    const isNumber = rows.every((row) => typeof row[column] === 'number') && rows.length > 0
    const text = String(cell)
    return isNumber ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
  }
}
