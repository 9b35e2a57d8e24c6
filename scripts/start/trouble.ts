/** The same message from a log that repeats itself is shown once, then at most once in this long, milliseconds. */
const quietMs = 30_000

export function onceInAWhile(show: (message: string) => void): (message: string) => void {
  const last = new Map<string, number>()
  return (message) => {
    const now = Date.now()
    if (now - (last.get(message) ?? -Infinity) < quietMs) return
    last.set(message, now)
    if (last.size > 200) last.clear()
    show(message)
  }
}
