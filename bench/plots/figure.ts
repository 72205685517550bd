import type { Spread } from '../statistics.js'
import type { Axis } from './axis.js'

/** What is drawn, and in which words, but not where. */
export type Figure = LineFigure | RowFigure

interface Wording {
  /** Of its file, without the ending. */
  readonly name: string
  readonly title: string
  readonly subtitle: string
  readonly footer: readonly string[]
}

/** A line for each system. */
export interface LineFigure extends Wording {
  readonly kind: 'lines'
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

export interface Series {
  readonly system: string
  /** From left to right. */
  readonly line: readonly (readonly [x: number, y: number])[]
  /** Where there is a symbol, and how far rounds lie apart. */
  readonly points: readonly Point[]
}

export interface Point {
  readonly x: number
  readonly y: Spread
}

/** A row for each system, with the same few values of each. */
export interface RowFigure extends Wording {
  readonly kind: 'rows'
  readonly x: Axis
  readonly marks: readonly string[]
  readonly rows: readonly Row[]
  format(value: number): string
}

export interface Row {
  readonly system: string
  /** One for each mark. */
  readonly values: readonly Spread[]
}

/** Why there is no figure. */
export interface Missing {
  readonly name: string
  readonly missing: string
}
