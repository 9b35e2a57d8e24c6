/**
 * Normalises entries to mean 0 (or keeps their mean) and deviation 1, over all sequences together.
 *
 * `rows[b][t]` is ragged: only real positions, no padding. Variance is unbiased (n - 1), epsilon
 * 1e-8 inside the root, as in TRL's `masked_whiten`.
 *
 * @throws RangeError for fewer than two entries, which have no variance.
 */
export function whiten(rows: readonly (readonly number[])[], shiftMean = true): number[][] {
  const { mean, variance } = moments(rows)
  const scale = 1 / Math.sqrt(variance + 1e-8)
  return rows.map((row) => row.map((x) => (x - mean) * scale + (shiftMean ? 0 : mean)))
}

/** Mean and unbiased variance of all entries of ragged rows. */
export function moments(rows: readonly (readonly number[])[]): { mean: number; variance: number; count: number } {
  let count = 0
  let sum = 0
  for (const row of rows) for (const x of row) ((sum += x), count++)
  if (count < 2) throw new RangeError(`${count} entries have no variance`)
  const mean = sum / count
  let squares = 0
  for (const row of rows) for (const x of row) squares += (x - mean) ** 2
  return { mean, variance: squares / (count - 1), count }
}
