/**
 * Looks now and again and again until it is stopped: one look at a time, and none while nobody
 * sees the page. For `$effect(() => every(…))`: what the look reads does not start it anew.
 *
 * @param ms milliseconds from the end of a look to the next
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
