import { isUtf8 } from 'node:buffer'
import { Option } from 'commander'
import type { Message } from '../client/index.js'
import { escapeControls } from './escape-controls.js'
import { jsonText } from './json-text.js'

/** What is written for one message. */
export type MessageFormat = (message: Message) => string | Buffer

export interface FormatFlags {
  readonly raw?: boolean
  readonly json?: boolean
  readonly bytes?: boolean
}

/** Begins a line of `--raw` whose payload cannot stand in a line as it is. */
const BASE64_MARK = 'base64:'

export const FORMATS_HELP = `
Formats, each one line for a message (--bytes apart):
  (default)  for people: text with its control characters escaped, values as JSON, other bytes as base64
  --raw      the payload's bytes; one that holds a newline, or begins with "${BASE64_MARK}", is written as
             ${BASE64_MARK} and its base64, so that a line is a message, always
  --json     an object {topic, priority, encoding, retained, headers, data}; bytes are base64, integers
             beyond what JSON's readers keep exactly are strings
  --bytes    the payload's bytes and nothing else, not even a newline behind them`

export function formatOptions(): Option[] {
  return [
    new Option('--raw', 'payload bytes, one line for each message').conflicts(['json', 'bytes']),
    new Option('--json', 'one JSON object for each message; errors as JSON too').conflicts('bytes'),
    new Option('--bytes', 'payload bytes, with nothing between them'),
  ]
}

/** The format that the flags ask for; `people` is what they get who ask for none. */
export function chooseFormat(flags: FormatFlags, people: MessageFormat): MessageFormat {
  if (flags.json === true) return jsonLine
  if (flags.raw === true) return rawLine
  if (flags.bytes === true) return (message) => message.bytes
  return people
}

export function topicAndPayload(message: Message): string {
  return `${message.topic} ${escapeControls(readable(message))}\n`
}

/** Text of a reply keeps its lines: they are all that is on the terminal. */
export function payloadAlone(message: Message): string {
  const text = readable(message)
  const lines = text.endsWith('\n') ? text.slice(0, -1) : text
  return `${lines.split('\n').map(escapeControls).join('\n')}\n`
}

function rawLine(message: Message): Buffer {
  const { bytes } = message
  const isPlain = !bytes.includes('\n') && !bytes.subarray(0, BASE64_MARK.length).equals(MARK_BYTES)
  return Buffer.concat([isPlain ? bytes : Buffer.from(BASE64_MARK + bytes.toString('base64')), NEWLINE])
}

const MARK_BYTES = Buffer.from(BASE64_MARK)
const NEWLINE = Buffer.from('\n')

function jsonLine(message: Message): string {
  const { topic, priority, encoding, retained } = message
  const known = { topic, priority, encoding, retained }
  try {
    return `${jsonText({ ...known, headers: message.headers, data: message.data })}\n`
  } catch (error) {
    // One message that its publisher broke must not end the tap for all others.
    return `${jsonText({ ...known, headers: {}, data: message.bytes, error: String(error) })}\n`
  }
}

function readable(message: Message): string {
  const { bytes, encoding } = message
  if (encoding === 'utf8' || encoding === 'json') return bytes.toString('utf8')
  if (encoding === 'bytes') return isUtf8(bytes) ? bytes.toString('utf8') : base64(bytes)
  try {
    return jsonText(message.data)
  } catch {
    return base64(bytes)
  }
}

function base64(bytes: Buffer): string {
  return BASE64_MARK + bytes.toString('base64')
}
