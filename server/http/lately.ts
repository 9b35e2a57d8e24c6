/**
 * The result of `ask`, called at most every `ms` milliseconds: meanwhile callers share the last one, or the one in
 * flight. A failure is not cached.
 */
export function lately<T>(ask: () => Promise<T>, ms: number, now: () => number = Date.now): () => Promise<T> {
  let last: { answer: Promise<T>; until: number } | undefined
  return () => {
    if (last !== undefined && now() < last.until) return last.answer
    const asked = { answer: ask(), until: Infinity }
    asked.answer.then(
      () => (asked.until = now() + ms),
      () => (asked.until = 0),
    )
    last = asked
    return asked.answer
  }
}
