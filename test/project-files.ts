import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout: compiled tests lie in dist/test. */
export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Folders that hold TypeScript, as the compiler's configuration lists them. */
export const SOURCE_FOLDERS: readonly string[] = (
  JSON.parse(readProjectFile('tsconfig.json')) as { include: string[] }
).include

export function readProjectFile(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), 'utf8')
}

/** Paths, relative to the checkout, of all files below a folder. */
export function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(PROJECT_ROOT, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (!entry.isDirectory()) return [path]
    return entry.name === 'node_modules' || path.startsWith('shmring/build') ? [] : filesBelow(path)
  })
}

export function typescriptFiles(): string[] {
  return SOURCE_FOLDERS.flatMap(filesBelow).filter((path) => path.endsWith('.ts'))
}
