/** The value of a JSON text; undefined if it isn't valid JSON: what a browser has stored may be damaged. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
