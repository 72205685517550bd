/** Text of others for a line of a terminal: control characters could end it, or tell the terminal to do something. */
export function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    if (character === '\t') return character
    if (character === '\n') return '\\n'
    if (character === '\r') return '\\r'
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
