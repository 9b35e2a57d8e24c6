/**
 * Polls, beginning now, until it is stopped: one call at a time, and none while the page is hidden.
 * For `$effect(() => every(…))`: what a call reads does not restart it.
 *
 * @param ms milliseconds from the end of a call to the next
 * @param look does not reject: it keeps its problem for the reader
 * @returns stops it
 */
export function every(ms: number, look: () => Promise<void>): () => void {
  let stopped = false
  const turn = async (): Promise<void> => {
    if (!document.hidden) await look()
    if (!stopped) timer = setTimeout(() => void turn(), ms)
  }
  let timer = setTimeout(() => void turn())
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
