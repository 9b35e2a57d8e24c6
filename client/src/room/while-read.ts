/** How long an answer is before somebody until they count as reading it, milliseconds. */
const READ_MS = 1_000

/**
 * Says that an answer is being read, once a second for as long as it is and the page is visible. For
 * `$effect(() => whileRead(…))`: returns what stops it.
 */
export function whileRead(say: () => void): () => void {
  const timer = setInterval(() => document.visibilityState === 'visible' && say(), READ_MS)
  return () => clearInterval(timer)
}
