/**
 * `npm run study -- one-rater`: how far do one person's 50 votes move the policy? One simulated rater on
 * a fresh instance. A careful person takes about 7.5 s a vote; here time runs three times as fast.
 */
import { HUMAN } from '../crowd/pace.ts'
import { openProgress } from './progress.ts'
import { studyRun, type StudyRun } from './run.ts'
import { table } from './table.ts'

export interface OneRaterStudy {
  study: 'one-rater'
  /** No person voted here. */
  simulated: true
  votes: number
  run: StudyRun
  /** Change of compassion in standard errors. */
  z: number
  criteria: { what: string; holds: boolean }[]
}

/** Votes stop at their number; this only ends a stuck run, seconds. */
const AT_MOST_SECONDS = 600
/** Reached by chance in one of about 400 studies of a policy that did not move. */
const MEASURABLE_Z = 3
/** What one person is to reach, and may cost, by the oracle's scores. */
export const COMPASSION_RISES_BY = 0.15
export const USEFULNESS_FALLS_BY = 0.05
export const READABLE_FALLS_BY = 0.03

export async function oneRater({ votes, seed }: { votes: number; seed: number }): Promise<OneRaterStudy> {
  const progress = openProgress(1, () => 'one rater')
  try {
    const run = await studyRun({
      seed,
      crowd: { raters: 1, seconds: AT_MOST_SECONDS, maxVotes: votes, pace: HUMAN },
      answersPerPrompt: 16,
      onProgress: (done, doing) => progress.report(0, done, doing),
    })
    const z = run.change.mean / run.change.error
    return { study: 'one-rater', simulated: true, votes, run, z, criteria: criteriaOf(run, z) }
  } finally {
    progress.stop()
  }
}

function criteriaOf({ before, after, change }: StudyRun, z: number): OneRaterStudy['criteria'] {
  const points = (share: number): string => `${(100 * share).toFixed(0)} points`
  return [
    { what: `compassion changed by ${MEASURABLE_Z} standard errors or more`, holds: Math.abs(z) >= MEASURABLE_Z },
    { what: `it rose by ${COMPASSION_RISES_BY} or more`, holds: change.mean >= COMPASSION_RISES_BY },
    {
      what: `usefulness fell by ${USEFULNESS_FALLS_BY} at most`,
      holds: after.usefulness >= before.usefulness - USEFULNESS_FALLS_BY,
    },
    {
      what: `readable answers became fewer by ${points(READABLE_FALLS_BY)} at most`,
      holds: after.readable >= before.readable - READABLE_FALLS_BY,
    },
  ]
}

export function oneRaterText({ run, z, criteria }: OneRaterStudy): string {
  const { before, after, change, crowd, steps } = run
  const row = (name: string, from: number, to: number, digits = 3) => [
    name,
    from.toFixed(digits),
    to.toFixed(digits),
    (to - from).toFixed(digits),
  ]
  return [
    `One simulated rater, ${crowd.sent} votes, ${crowd.used} of them used in ${steps} steps, ${crowd.seconds.toFixed(0)} s;`,
    `${after.answers} answers to ${after.prompts} held-out prompts, judged by the hidden oracle`,
    '',
    table(
      ['', 'before', 'after', 'change'],
      [
        row('compassion', before.compassion, after.compassion),
        row('usefulness', before.usefulness, after.usefulness),
        row('readable', before.readable, after.readable),
        row('KL to the base, nats an answer', before.kl, after.kl),
      ],
    ),
    '',
    `Compassion changed by ${change.mean.toFixed(3)}, standard error ${change.error.toFixed(3)} (${z.toFixed(1)} standard errors).`,
    ...criteria.map(({ what, holds }) => `${holds ? 'yes' : 'NO '}  ${what}`),
  ].join('\n')
}
