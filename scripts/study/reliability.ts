/**
 * `npm run study -- reliability`: whom does a room listen to, and can it be turned? Thirty raters vote, and a group of
 * them misleads (attacks.ts). What Attune makes of their votes is compared with what the answers are worth, and so
 * are the plain mean, the median, Dawid-Skene and MACE. By the product's own functions, without an instance.
 */
import { setImmediate } from 'node:timers/promises'
import { correlation, mean, median, minOf, sum } from '../../core/statistics.ts'
import { crowdValue } from '../../core/votes/crowd.ts'
import { weigh, type TasteMode, type Weighed } from '../../core/votes/weights.ts'
import { ATTACKS, isOfGroup, RATERS, simulate, VOTES, type Attack, type SimulatedCrowd } from './attacks.ts'
import { dawidSkene } from './baselines/dawid-skene.ts'
import { mace } from './baselines/mace.ts'
import { figureOf, type Figure } from './figure.ts'
import type { Criterion } from './learning.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'

export const METHODS = ['attune', 'mean', 'median', 'dawidSkene', 'mace'] as const
export type Method = (typeof METHODS)[number]
export const METHOD_NAMES: Readonly<Record<Method, string>> = {
  attune: 'Attune',
  mean: 'plain mean',
  median: 'median',
  dawidSkene: 'Dawid-Skene',
  mace: 'MACE',
}

/** Of votes: 0 is the clean crowd. */
const SHARES = [0.1, 0.3, 0.45] as const
/** Of the people who see it otherwise, in addition. */
const MINORITY = 0.2
const VOTES_PER_ANSWER = [10, 3] as const
/** The share at which the criteria are held, and how much of the clean crowd's r is left there, at least. */
const HELD = 0.3
const LEFT: Readonly<Record<(typeof VOTES_PER_ANSWER)[number], number>> = { 10: 0.95, 3: 0.85 }
/** The least ρ of an independent minority, within its taste. */
const MINORITY_RELIABILITY = 0.5
/** By which another method may be better somewhere. */
const TOLERANCE = 0.01

export interface ReliabilityRow {
  attack: string
  /** Of votes. */
  share: number
  votesPerAnswer: number
  /** Correlation with what the answers are worth, and the root of the mean squared difference, 0…1. */
  r: Record<Method, Figure>
  rmse: Record<Method, Figure>
  /** ρ of those who vote as they see it, and of the group; 0 where there is none. */
  others: Figure
  group: Figure
  /** The group's share of all weight on answers. */
  weight: Figure
  /** Tastes found. */
  tastes: Figure
  /** r with what an answer is worth to people on average, by mode, and with what it is worth to its lowest taste. */
  population: Record<TasteMode, Figure>
  lowest: Record<TasteMode, Figure>
}

export interface ReliabilityStudy {
  study: 'reliability'
  simulated: true
  seeds: number
  raters: number
  votes: number
  rows: ReliabilityRow[]
  criteria: Criterion[]
}

export async function reliability({ seeds }: { seeds: number }): Promise<ReliabilityStudy> {
  const cells = VOTES_PER_ANSWER.flatMap((votesPerAnswer) =>
    ATTACKS.flatMap((attack) => sharesOf(attack).map((share) => ({ attack, share, votesPerAnswer }))),
  )
  const progress = openProgress(cells.length, (i) => cells[i]!.attack.name)
  try {
    const rows: ReliabilityRow[] = []
    for (const [i, cell] of cells.entries()) {
      const found: Outcome[] = []
      for (let seed = 1; seed <= seeds; seed++) {
        progress.report(i, (seed - 1) / seeds, `${100 * cell.share} % of votes, ${cell.votesPerAnswer} an answer`)
        // Lets the bar be drawn.
        await setImmediate()
        found.push(outcome({ ...cell, seed }))
      }
      rows.push(rowOf(cell, found))
    }
    return {
      ...{ study: 'reliability', simulated: true, seeds, raters: RATERS, votes: VOTES, rows },
      criteria: reliabilityCriteria(rows),
    }
  } finally {
    progress.stop()
  }
}

const isMinority = (name: string): boolean => name === 'other taste'
const sharesOf = ({ name }: Attack): readonly number[] =>
  name === 'none' ? [0] : isMinority(name) ? [SHARES[0], MINORITY, ...SHARES.slice(1)] : SHARES

type Outcome = ReturnType<typeof outcome>

function outcome(options: { attack: Attack; share: number; votesPerAnswer: number; seed: number }) {
  const crowd = simulate(options)
  const { votes, truth, shared, share } = crowd
  const by = (tastes: TasteMode): Weighed => weigh(votes, { tastes })
  const majority = by('majority')
  const estimates: Record<Method, number[]> = {
    attune: valuesBy(crowd, majority),
    mean: summarised(crowd, mean),
    median: summarised(crowd, median),
    dawidSkene: byAnswer(crowd, dawidSkene(votes)),
    mace: byAnswer(crowd, mace(votes)),
  }
  const isTaste = isMinority(options.attack.name)
  const modes = byMode((mode) => (isTaste && mode !== 'majority' ? valuesBy(crowd, by(mode)) : estimates.attune))
  const population = truth.map((t, j) => (isTaste ? (1 - share) * t + share * shared[j]! : t))
  const lowest = truth.map((t, j) => (isTaste ? Math.min(t, shared[j]!) : t))
  const rho = (ofGroup: boolean): number => {
    const found = [...majority.raters].flatMap(([id, standing]) =>
      isOfGroup(id) === ofGroup ? [standing.reliability] : [],
    )
    return found.length === 0 ? 0 : mean(found)
  }
  const weightOf = (ofGroup: boolean): number =>
    sum(majority.onAnswer.filter((_, i) => isOfGroup(votes[i]!.raterId) === ofGroup))
  return {
    r: mapped((method) => correlation(estimates[method], truth) ?? 0),
    rmse: mapped((method) => rmse(estimates[method], truth)),
    others: rho(false),
    group: rho(true),
    weight: weightOf(true) / Math.max(Number.MIN_VALUE, weightOf(true) + weightOf(false)),
    tastes: majority.tastes.length,
    // Without another taste the modes are one.
    population: byMode((mode) => correlation(modes[mode], population) ?? 0),
    lowest: byMode((mode) => correlation(modes[mode], lowest) ?? 0),
  }
}

const byMode = <T>(of: (mode: TasteMode) => T): Record<TasteMode, T> => ({
  majority: of('majority'),
  proportional: of('proportional'),
  'worst-off': of('worst-off'),
})

const mapped = (of: (method: Method) => number): Record<Method, number> => ({
  attune: of('attune'),
  mean: of('mean'),
  median: of('median'),
  dawidSkene: of('dawidSkene'),
  mace: of('mace'),
})

/** What a reward model that knows nothing predicts is the votes' mean; it counts for this much of a vote. */
const SHRINKAGE = 0.25

function valuesBy(crowd: SimulatedCrowd, { values, onAnswer }: Weighed): number[] {
  const total = sum(onAnswer)
  const prediction = total === 0 ? 0.5 : Math.min(1, sum(values.map((v, i) => v * onAnswer[i]!)) / total)
  return votesOn(crowd).map((on) =>
    crowdValue(
      on.map((i) => ({ value: values[i]!, weight: onAnswer[i]! })),
      { mean: prediction, deviation: 0 },
      SHRINKAGE,
    ),
  )
}

const summarised = (crowd: SimulatedCrowd, of: (values: number[]) => number): number[] =>
  votesOn(crowd).map((on) => (on.length === 0 ? 0.5 : of(on.map((i) => crowd.votes[i]!.value))))

const byAnswer = ({ truth }: SimulatedCrowd, values: ReadonlyMap<string, number>): number[] =>
  truth.map((_, j) => values.get(`answer-${j}`) ?? 0.5)

/** By answer: the indices of its votes. */
function votesOn({ votes, truth }: SimulatedCrowd): number[][] {
  const on = new Map(truth.map((_, j): [string, number[]] => [`answer-${j}`, []]))
  votes.forEach(({ sampleId }, i) => on.get(sampleId)?.push(i))
  return [...on.values()]
}

const rmse = (a: readonly number[], b: readonly number[]): number => Math.sqrt(mean(a.map((x, i) => (x - b[i]!) ** 2)))

function rowOf(
  { attack, share, votesPerAnswer }: { attack: Attack; share: number; votesPerAnswer: number },
  found: readonly Outcome[],
): ReliabilityRow {
  const over = (of: (one: Outcome) => number): Figure => {
    const figure = figureOf(found.map(of))
    return { mean: rounded(figure.mean), deviation: rounded(figure.deviation) }
  }
  const methods = (of: (one: Outcome, method: Method) => number): Record<Method, Figure> => ({
    attune: over((one) => of(one, 'attune')),
    mean: over((one) => of(one, 'mean')),
    median: over((one) => of(one, 'median')),
    dawidSkene: over((one) => of(one, 'dawidSkene')),
    mace: over((one) => of(one, 'mace')),
  })
  return {
    ...{ attack: attack.name, share, votesPerAnswer },
    r: methods((one, method) => one.r[method]),
    rmse: methods((one, method) => one.rmse[method]),
    others: over((one) => one.others),
    group: over((one) => one.group),
    weight: over((one) => one.weight),
    tastes: over((one) => one.tastes),
    population: byMode((mode) => over((one) => one.population[mode])),
    lowest: byMode((mode) => over((one) => one.lowest[mode])),
  }
}

/** To four digits: more are noise. */
const rounded = (x: number): number => Math.round(x * 1e4) / 1e4

export function reliabilityCriteria(rows: readonly ReliabilityRow[]): Criterion[] {
  const at = (votesPerAnswer: number, share: number): ReliabilityRow[] =>
    rows.filter((row) => row.votesPerAnswer === votesPerAnswer && row.share === share)
  const held = VOTES_PER_ANSWER.map((votesPerAnswer): Criterion => {
    const clean = at(votesPerAnswer, 0)[0]?.r.attune.mean ?? Number.NaN
    const attacked = at(votesPerAnswer, HELD)
    const worst = minOf(attacked.map(({ r }) => r.attune.mean / clean))
    const by = attacked.find(({ r }) => r.attune.mean / clean === worst)?.attack
    return {
      rule: `at ${votesPerAnswer} votes an answer, ${100 * HELD} % of anything leave ${LEFT[votesPerAnswer]} of the clean crowd’s r`,
      holds: worst >= LEFT[votesPerAnswer],
      found: `${worst.toFixed(3)} by ${by}`,
    }
  })
  const behind = rows
    .filter(({ share }) => share <= HELD)
    .map((row) => ({ row, by: Math.max(...METHODS.map((method) => row.r[method].mean)) - row.r.attune.mean }))
    .sort((a, b) => b.by - a.by)[0]
  const minorities = rows.filter(({ attack, share }) => isMinority(attack) && share === MINORITY)
  const least = minOf(minorities.map(({ group }) => group.mean))
  return [
    ...held,
    {
      rule: `up to ${100 * HELD} %, no other method’s r is more than ${TOLERANCE} above`,
      holds: behind !== undefined && behind.by <= TOLERANCE,
      found: behind === undefined ? '' : `${behind.by.toFixed(3)} at most, ${behind.row.attack}`,
    },
    {
      rule: `an independent minority of ${100 * MINORITY} % has ρ ${MINORITY_RELIABILITY} within its taste`,
      holds: least >= MINORITY_RELIABILITY,
      found: minorities.map(({ group }) => group.mean.toFixed(2)).join(' and '),
    },
    {
      rule: 'under `proportional` the crowd’s value follows the population’s mean better than under `majority`',
      holds: minorities.every(({ population: { proportional, majority } }) => proportional.mean > majority.mean),
      found: minorities
        .map(
          ({ population: { proportional, majority } }) =>
            `r ${proportional.mean.toFixed(3)} to ${majority.mean.toFixed(3)}`,
        )
        .join(', '),
    },
    {
      rule: 'under `worst-off` it follows what the answer’s lowest taste gives better than under `majority`',
      holds: minorities.every(({ lowest }) => lowest['worst-off'].mean > lowest.majority.mean),
      found: minorities
        .map(({ lowest }) => `r ${lowest['worst-off'].mean.toFixed(3)} to ${lowest.majority.mean.toFixed(3)}`)
        .join(', '),
    },
  ]
}

export function reliabilityText({ rows, criteria, seeds, raters, votes }: ReliabilityStudy): string {
  const head = [
    ...['group', ...METHODS.map((method) => METHOD_NAMES[method]), 'RMSE', 'by mean'],
    ...['ρ', 'ρ of group', 'its weight', 'tastes'],
  ]
  const shown = ({ mean: value }: Figure, digits = 3): string => value.toFixed(digits)
  return [
    `${raters} simulated raters, ${votes} votes, ${seeds} seeds: r with what the answers are worth, and RMSE`,
    ...VOTES_PER_ANSWER.flatMap((votesPerAnswer) => [
      '',
      `${votesPerAnswer} votes an answer`,
      table(
        head,
        rows
          .filter((row) => row.votesPerAnswer === votesPerAnswer)
          .map((row) => [
            row.share === 0 ? 'clean crowd' : `${row.attack}, ${100 * row.share} %`,
            ...METHODS.map((method) => shown(row.r[method])),
            ...[shown(row.rmse.attune), shown(row.rmse.mean)],
            ...[shown(row.others, 2), row.share === 0 ? '' : shown(row.group, 2)],
            ...[row.share === 0 ? '' : shown(row.weight), shown(row.tastes, 1)],
          ]),
      ),
    ]),
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
