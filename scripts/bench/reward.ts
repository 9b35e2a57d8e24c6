/** What a fit of the reward model and its predictions cost, by votes and by the model's width. In this process. */
import { openRandom } from '../../lm/sampling/random.ts'
import { median } from '../../core/statistics.ts'
import { choose } from '../../trainer/reward/choose.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, RATING, categoryHead, openRewardModel } from '../../trainer/reward/model.ts'
import { preferencesOf, type RatersVote } from '../../trainer/reward/preferences.ts'
import { table } from '../study/table.ts'

export interface RewardFigure {
  width: number
  votes: number
  answers: number
  /** Milliseconds of the processor: of the votes as they came, and once more after one further vote. */
  first: number
  again: number
  /** Of a prediction; of choosing 16 of 64. */
  predict: number
  choose: number
}

/** Features of a model: the demo's, and a model's of width 2,048. */
const WIDTHS = [256, 4_096]
const VOTES = [50, 500, 1_500]
/** Votes on each answer. */
const EACH = 2
const REPEATS = 5

export const benchReward = (say: (doing: string) => void): RewardFigure[] =>
  WIDTHS.flatMap((width) =>
    VOTES.map((votes) => {
      say(`reward model: ${votes} votes at width ${width}`)
      return figureOf(width, votes)
    }),
  )

function figureOf(width: number, count: number): RewardFigure {
  const random = openRandom(1)
  const draw = (): Float32Array => Float32Array.from({ length: width }, () => random.normal())
  const model = openRewardModel({ ...FIXED, categories: { helpfulness: 1 }, compassionWeight: 0.7 }, width, 1)
  model.features.fitScale(Array.from({ length: 64 }, draw))
  const answers = Math.ceil(count / EACH) + REPEATS
  for (let i = 0; i < answers; i++) model.features.add(`s${i}`, draw())
  const score = (): number => random.uniform()
  const vote = (i: number, answer: number): RatersVote => ({
    ...{ id: `v${i}`, raterId: `r${i % 12}`, prompt: `p${answer % 200}`, sampleId: `s${answer}`, weight: 0.7 },
    scores: { [RATING]: score(), [categoryHead('helpfulness')]: score(), [COMPASSION]: score() },
  })
  const votes = Array.from({ length: count }, (_, i) => vote(i, Math.floor(i / EACH)))
  const fit = (): void => {
    const learnt = preferencesOf(votes)
    model.fit(learnt.votes, learnt.preferences)
  }
  const first = timed(fit)
  const again = Array.from({ length: REPEATS }, (_, i) => {
    votes.push(vote(count + i, answers - 1 - i))
    return timed(fit)
  })
  const asked = Array.from({ length: 64 }, draw)
  return {
    ...{ width, votes: count, answers: Math.ceil(count / EACH), first, again: median(again) },
    predict: timed(() => asked.forEach((features) => model.predict(features))) / asked.length,
    choose: timed(() =>
      choose(
        asked.map((features) => [features]),
        model,
        16,
        1,
      ),
    ),
  }
}

/** Of the processor, so that what else the machine does is not measured; milliseconds. */
function timed(work: () => void): number {
  const began = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1000
}

export function rewardText(figures: readonly RewardFigure[]): string {
  const head = ['reward model, width', 'votes', 'answers', 'first fit', 'after a vote', 'prediction', '16 of 64']
  return table(
    head,
    figures.map(({ width, votes, answers, first, again, predict, choose }) => [
      String(width),
      ...[votes, answers].map(String),
      ...[first, again].map((ms) => `${ms.toFixed(0)} ms`),
      `${predict.toFixed(2)} ms`,
      `${choose.toFixed(0)} ms`,
    ]),
  )
}
