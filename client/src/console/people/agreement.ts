/** How well the crowd agrees, in the console's words. Pure. */
import type {
  CategoryAgreement,
  CoefficientName,
  Estimate,
  Fragility,
  Verdict,
} from '../../../../core/protocol/index.ts'
import { count, fixed, plural } from '../../ui/format.ts'

/** A verdict in a word or two, and the class of its chip (styles/controls.css). */
export const verdicts: Record<Verdict, { words: string; tone: 'good' | 'warn' | 'bad' | 'off' }> = {
  unrated: { words: 'no votes', tone: 'off' },
  unpaired: { words: 'nothing to compare', tone: 'off' },
  uniform: { words: 'all the same', tone: 'off' },
  paradox: { words: 'they agree', tone: 'good' },
  contrary: { words: 'contrary', tone: 'bad' },
  unsure: { words: 'too early', tone: 'off' },
  good: { words: 'good', tone: 'good' },
  tentative: { words: 'tentative', tone: 'warn' },
  low: { words: 'low', tone: 'warn' },
  chance: { words: 'by chance', tone: 'bad' },
}

export const coefficientLabels: Record<CoefficientName, string> = {
  alphaNominal: 'Krippendorff’s alpha, nominal',
  alphaOrdinal: 'Krippendorff’s alpha, ordinal',
  alphaInterval: 'Krippendorff’s alpha, interval',
  ac1: 'Gwet’s AC1',
  ac2Ordinal: 'Gwet’s AC2, ordinal weights',
  ac2Linear: 'Gwet’s AC2, linear weights',
  ac2Quadratic: 'Gwet’s AC2, quadratic weights',
}

/** To two digits; 0 has no sign. */
export const coefficientText = (value: number | null): string =>
  value === null ? 'undefined' : fixed(value).replace(/^-(?=0\.00$)/, '')

/** "0.74 (0.61 to 0.80)". */
export const estimateText = ({ value, interval }: Estimate): string =>
  interval === null
    ? coefficientText(value)
    : `${coefficientText(value)} (${coefficientText(interval.low)} to ${coefficientText(interval.high)})`

/** What a category rests on, as terms and what they are. */
export const basisOf = ({ votes, raters, answers, near }: CategoryAgreement): [term: string, value: string][] => [
  ['Votes', count(votes)],
  ['Raters', count(raters)],
  ['Answers with two ratings or more', count(answers)],
  ['Pairs of ratings at most a point apart', near === null ? 'none' : `${Math.round(100 * near)} %`],
]

export function fragilityText({ decided, undecided, byOneVote, medianVotes }: Fragility): string {
  if (byOneVote === null || medianVotes === null) return 'No answer that two people rated is on one side of the scale.'
  const turned = `What the crowd says of an answer, above or below the middle of the scale, could be turned by one more vote on ${Math.round(100 * byOneVote)} % of ${plural(decided, 'answer')}; in the median it takes ${plural(medianVotes, 'vote')}.`
  return undecided === 0 ? turned : `${turned} Exactly in the middle: ${plural(undecided, 'answer')}.`
}

/** What somebody would like to know of the time it takes, as they typed it; empty: as it is measured. */
export interface Asked {
  people: string
  votesPerMinute: string
  votesPerAnswer: string
  halfWidth: string
}

export const askedNothing: Asked = { people: '', votesPerMinute: '', votesPerAnswer: '', halfWidth: '' }

/** As the query of a request: what is empty is left out. */
export function queryOf(asked: Asked): string {
  const given = Object.entries(asked).filter(([, value]: [string, string]) => value.trim() !== '')
  return given.length === 0 ? '' : `?${String(new URLSearchParams(given))}`
}
