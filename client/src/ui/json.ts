/** The value that a JSON text stands for; undefined where it is none: what a browser has kept may be damaged. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
