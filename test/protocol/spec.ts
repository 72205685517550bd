import { readProjectFile } from '../project-files.js'

/** One fenced block of protocol/SPEC.md; the page itself explains the format. */
export interface Vector {
  readonly type: 'frame' | 'invalid' | 'undecodable' | 'msgpack'
  readonly name: string
  readonly from: 'client' | 'broker'
  /** The error code that `invalid` and `undecodable` ones give. */
  readonly code: string
  /** False where another form is written than the one that must be read. */
  readonly encodes: boolean
  readonly bytes: Buffer
  /** What the bytes mean, in the page's JSON. */
  readonly json: unknown
  readonly rule: string
}

const BLOCK = /\*\*\[(?<rule>[A-Z]+-[\d.]+)\]\*\*|^```vector(?<head>[^\n]*)\n(?<content>.*?)^```$/gms
const HEX_LINE = /^(?<hex>[0-9a-f]{2}(?: [0-9a-f]{2})*)\s*(?:;.*)?$/

export function readSpec(): string {
  return readProjectFile('protocol/SPEC.md')
}

/** The numbers of the rules that the page defines, in its order. */
export function ruleIds(spec: string): string[] {
  return [...spec.matchAll(/\*\*\[([A-Z]+-[\d.]+)\]\*\*/g)].map((match) => match[1]!)
}

export function readVectors(spec: string): Vector[] {
  const vectors: Vector[] = []
  let rule = ''
  for (const { groups } of spec.matchAll(BLOCK)) {
    if (groups!.rule !== undefined) rule = groups!.rule
    else vectors.push(parseVector(groups!.head!, groups!.content!, rule))
  }
  return vectors
}

function parseVector(head: string, content: string, rule: string): Vector {
  const words = head.trim().split(/\s+/)
  const fields = Object.fromEntries(words.filter((word) => word.includes('=')).map((word) => word.split('=')))
  const type = words.find((word) => !word.includes('=')) ?? 'frame'
  const lines = content.trimEnd().split('\n')
  const firstOther = lines.findIndex((line) => !HEX_LINE.test(line))
  const hexLines = firstOther === -1 ? lines : lines.slice(0, firstOther)
  const hex = hexLines.map((line) => HEX_LINE.exec(line)!.groups!.hex!.replaceAll(' ', '')).join('')
  const text = lines.slice(hexLines.length).join('\n')
  return {
    type: type as Vector['type'],
    name: fields.name ?? '',
    from: fields.from ?? 'client',
    code: fields.code ?? '',
    encodes: fields.direction !== 'decode',
    bytes: Buffer.from(hex, 'hex'),
    json: text === '' ? undefined : JSON.parse(text),
    rule,
  }
}
