/** Numbers and times as the pages write them. */

export const fixed = (value: number): string => value.toFixed(2)

/** A score or value in [0, 1] on the scale that raters answer on, 1 to 10: 8.4. */
export const outOfTen = (value: number): string => (1 + 9 * value).toFixed(1)

const thousands = new Intl.NumberFormat('en')
/** A whole number, in groups of three digits: 1,234. */
export const count = (value: number): string => thousands.format(value)

/** A run goes on until somebody stops it: its steps' number is the default's (core/protocol/configuration.ts), or more. */
export const isEndless = ({ totalSteps }: { totalSteps: number }): boolean => totalSteps >= 1_000_000
/** "step 1,234 of 5,000", or "step 1,234" of an endless run. */
export const stepText = (run: { currentStep: number; totalSteps: number }): string =>
  `step ${count(run.currentStep)}${isEndless(run) ? '' : ` of ${count(run.totalSteps)}`}`

/** A span of milliseconds: 850 ms, 14 s, 3 min. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`
  return `${Math.round(ms / 60_000)} min`
}

const clock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
export const dateTime = (iso: string): string => clock.format(new Date(iso))

const seconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
/** A time of day to the second; milliseconds since 1970. */
export const time = (ms: number): string => seconds.format(new Date(ms))

/** A hash, shortened in the middle. */
export const shortHash = (hash: string): string => (hash.length > 14 ? `${hash.slice(0, 8)}…${hash.slice(-4)}` : hash)

export function excerpt(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim()
  // Counted in code points, so that none is cut in half.
  const characters = [...line]
  return characters.length > length
    ? `${characters
        .slice(0, length - 1)
        .join('')
        .trimEnd()}…`
    : line
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** 1st, 2nd, 3rd, 4th, … 11th, … 21st. */
export function ordinal(n: number): string {
  const ending = n % 100 > 10 && n % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')
  return `${n}${ending}`
}
