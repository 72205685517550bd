/** `warn` is what ringbus works without, if less well. */
export type FindingStatus = 'ok' | 'warn' | 'fail'

/** What was found about one thing, and how to mend it if it is not well. */
export interface Finding {
  readonly name: string
  readonly status: FindingStatus
  readonly detail: string
  readonly remedy?: string | undefined
}

/** A finding for people: a line, and another for the remedy. */
export function findingLines({ name, status, detail, remedy }: Finding): string {
  const line = `${status.padEnd(4)}  ${name}: ${detail}\n`
  return remedy === undefined ? line : `${line}      → ${remedy}\n`
}
