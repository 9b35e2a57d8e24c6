/** How many slots are held, by key. The function that `take` returns releases its slot, once. */
export function createCounts() {
  const counts = new Map<string, number>()
  return {
    count: (key: string): number => counts.get(key) ?? 0,
    take(key: string): () => void {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      let held = true
      return () => {
        if (!held) return
        held = false
        const left = (counts.get(key) ?? 1) - 1
        if (left > 0) counts.set(key, left)
        else counts.delete(key)
      }
    },
  }
}
