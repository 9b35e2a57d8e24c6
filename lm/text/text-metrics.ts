/** Similarity of an answer to a reference answer, by words: for prompts that have one. */

/** Longest n-grams that BLEU compares, words. */
const LONGEST = 4

/**
 * Sentence BLEU in [0, 1]: the geometric mean of the precision of the answer's n-grams of 1 to 4
 * words, times exp(1 - r / a) where the answer (a words) is shorter than the reference (r words).
 * Counts of n-grams of two words and more are incremented by one (add-one smoothing), so that a short answer does not
 * score 0. Sources: Papineni et al. 2002; the smoothing, Lin and Och 2004.
 */
export function bleu(answer: string, reference: string): number {
  const [said, wanted] = [wordsOf(answer), wordsOf(reference)]
  if (said.length === 0) return 0
  let logs = 0
  for (let n = 1; n <= LONGEST; n++) {
    const [runs, known] = [runsOf(said, n), runsOf(wanted, n)]
    const smooth = n === 1 ? 0 : 1
    const matches = [...runs].reduce((sum, [run, count]) => sum + Math.min(count, known.get(run) ?? 0), 0)
    logs += Math.log((matches + smooth) / (Math.max(0, said.length - n + 1) + smooth)) / LONGEST
  }
  return Math.exp(logs + Math.min(0, 1 - wanted.length / said.length))
}

/** ROUGE-L in [0, 1]: the F1 of the longest common subsequence of words. Source: Lin 2004. */
export function rougeL(answer: string, reference: string): number {
  const [said, wanted] = [wordsOf(answer), wordsOf(reference)]
  const common = longestCommon(said, wanted)
  return common === 0 ? 0 : (2 * common) / (said.length + wanted.length)
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []

function runsOf(words: readonly string[], n: number): Map<string, number> {
  const runs = new Map<string, number>()
  for (let i = 0; i + n <= words.length; i++) {
    const run = words.slice(i, i + n).join(' ')
    runs.set(run, (runs.get(run) ?? 0) + 1)
  }
  return runs
}

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const word of a) {
    const next = [0]
    for (let j = 0; j < b.length; j++) next.push(word === b[j] ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!))
    row = next
  }
  return row[b.length]!
}
