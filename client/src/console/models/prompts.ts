/** What a researcher types or picks as prompts, as the server reads it: lines of JSON. */

/**
 * Each line is a prompt, unless the first one is JSON: then all are sent unchanged, and the server reports those that
 * are not prompts.
 */
export function promptLines(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return lines[0]?.startsWith('{') ? lines.join('\n') : lines.map((prompt) => JSON.stringify({ prompt })).join('\n')
}
