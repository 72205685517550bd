import { dirname, join } from 'node:path'
import { readProjectFile, typescriptFiles } from '../project-files.js'

const SPECIFIER =
  /\bfrom\s+'(?<from>[^']+)'|\bimport\(\s*'(?<dynamic>[^']+)'\s*\)|^import\s+'(?<bare>[^']+)'/gm

/** One import of one file by another, both as paths from the checkout. */
export interface Import {
  readonly importer: string
  readonly imported: string
}

/** Every import between files of the project; packages and Node's own modules are left out. */
export function projectImports(): Import[] {
  return typescriptFiles().flatMap((importer) =>
    specifiers(readProjectFile(importer))
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => ({ importer, imported: target(importer, specifier) })),
  )
}

export function specifiers(source: string): string[] {
  return [...source.matchAll(SPECIFIER)].map(({ groups }) => groups!.from ?? groups!.dynamic ?? groups!.bare!)
}

function target(importer: string, specifier: string): string {
  return join(dirname(importer), specifier).replace(/\.js$/, '.ts')
}

export function folderOf(path: string): string {
  return path.slice(0, path.indexOf('/'))
}

/** The first circle that is found, as the files on it, or undefined. */
export function findCycle(imports: readonly Import[]): string[] | undefined {
  const importedBy = new Map<string, string[]>()
  for (const { importer, imported } of imports) {
    importedBy.set(importer, [...(importedBy.get(importer) ?? []), imported])
  }
  const finished = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (finished.has(file)) return undefined
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    path.push(file)
    for (const next of importedBy.get(file) ?? []) {
      const cycle = visit(next)
      if (cycle !== undefined) return cycle
    }
    path.pop()
    finished.add(file)
    return undefined
  }
  for (const file of importedBy.keys()) {
    const cycle = visit(file)
    if (cycle !== undefined) return cycle
  }
  return undefined
}
