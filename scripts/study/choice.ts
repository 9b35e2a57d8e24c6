/**
 * `npm run study -- choice`: how many votes does it save to show the answers that may be the best, and not any? The same
 * raters, the same answers to choose from and the same number of votes, once chosen by trainer/reward/choose.ts and once
 * at random. What was learnt is judged by an oracle: how good is the answer, of 8 to a prompt that nobody voted on, that
 * the reward model holds to be the best? Without an instance, and without training a policy.
 */
import { TrainingConfig } from '../../core/protocol/index.ts'
import { maxOf, mean, standardError } from '../../core/statistics.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { drawGroups, readPrompts } from '../../trainer/loop/prompts.ts'
import { choose } from '../../trainer/reward/choose.ts'
import { openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'
import { preferencesOf } from '../../trainer/reward/preferences.ts'
import { openLearner, type Learner } from '../../trainer/rl/learner.ts'
import { seedOf } from '../../trainer/rl/random.ts'
import { heldOutPrompts } from '../pretrain/prompts.ts'
import { rate } from '../pretrain/oracle.ts'
import { seededRandom, shuffled } from '../pretrain/random.ts'
import { castVotes, type OfflineCrowd } from './offline-crowd.ts'
import { table } from './table.ts'

export interface ChoiceStudy {
  study: 'choice'
  /** No person voted here. */
  simulated: true
  seeds: number
  /** Votes after each round. */
  votes: number[]
  /** The oracle's value of the answers that the reward model picks, mean over seeds, after each round. */
  chosen: number[]
  random: number[]
  /** Of the last round: by seed, what was chosen less what was at random. */
  difference: number[]
  /** Votes after which what was chosen has taught as much as all votes at random; null: it never has. */
  needed: number | null
}

const SHOWN = 4
/** As many for each that is shown as a run has by default. */
const CANDIDATES = SHOWN * TrainingConfig.parse({}).live.candidates
const RATERS = 12
const NOISE = 0.12
/** Prompts that the reward model picks an answer to, and answers to each. */
const PROMPTS = 64
const ANSWERS = 8
/** Prompts that are sampled at once. */
const TOGETHER = 8

const usual = TrainingConfig.parse({ batchSize: CANDIDATES })

interface Answer {
  sampleId: string
  prompt: string
  response: string
  features: Float32Array
}

export async function choice(options: {
  modelDir: string
  seeds: number
  rounds: number
  onSeed?: (seed: number, chosen: number, random: number) => void
}): Promise<ChoiceStudy> {
  const runs: { chosen: number[]; random: number[] }[] = []
  for (let seed = 1; seed <= options.seeds; seed++) {
    const answers = await answersOf(options.modelDir, seed, options.rounds)
    const run = { chosen: await taught(answers, seed, true), random: await taught(answers, seed, false) }
    runs.push(run)
    options.onSeed?.(seed, mean(run.chosen.slice(-LAST)), mean(run.random.slice(-LAST)))
  }
  const over = (of: 'chosen' | 'random'): number[] =>
    Array.from({ length: options.rounds }, (_, round) => mean(runs.map((run) => run[of][round]!)))
  const [chosen, random] = [over('chosen'), over('random')]
  const votes = chosen.map((_, round) => SHOWN * (round + 1))
  const goal = mean(random.slice(-LAST))
  const reached = chosen.findIndex(
    (_, round) => round + 1 >= LAST && mean(chosen.slice(round + 1 - LAST, round + 1)) >= goal,
  )
  return {
    ...{ study: 'choice', simulated: true, seeds: options.seeds, votes, chosen, random },
    difference: runs.map((run) => mean(run.chosen.slice(-LAST)) - mean(run.random.slice(-LAST))),
    needed: votes[reached] ?? null,
  }
}

/** Rounds over which a score is averaged before it is compared. */
const LAST = 3

interface Answers {
  /** By round. */
  candidates: Answer[][]
  /** By prompt. */
  heldOut: Answer[][]
  scale: Float32Array[]
  width: number
}

async function answersOf(modelDir: string, seed: number, rounds: number): Promise<Answers> {
  const model = await readModel(modelDir)
  const engine = await openOnnx()
  const learner = openLearner({ engine, model, config: learnerConfig(usual), seed })
  try {
    const ask = await asking(modelDir, learner, seed)
    const prompts = await readPrompts(modelDir)
    const candidates: Answer[][] = []
    for (let step = 1; step <= rounds; step++)
      candidates.push(await ask(drawGroups(prompts, { step, batchSize: CANDIDATES, groupSize: 1, seed }), step))
    const heldOut: Answer[][] = []
    const asked = heldOutPrompts(1, PROMPTS)
    for (let first = 0; first < PROMPTS; first += TOGETHER) {
      const some = asked.slice(first, first + TOGETHER)
      const answers = await ask(
        some.flatMap((prompt) => new Array<string>(ANSWERS).fill(prompt)),
        1_000_000 + first,
      )
      some.forEach((_, i) => heldOut.push(answers.slice(i * ANSWERS, (i + 1) * ANSWERS)))
    }
    const scale = (await ask(prompts.draw(0, 64, seedOf(seed, 2_000_000)), 2_000_000)).map(({ features }) => features)
    return { candidates, heldOut, scale, width: 2 * model.architecture.width }
  } finally {
    await learner.close()
    await engine.close()
  }
}

/** Answers of the base policy. */
async function asking(
  modelDir: string,
  learner: Learner,
  seed: number,
): Promise<(asked: readonly string[], stream: number) => Promise<Answer[]>> {
  const tokenizer = await openPromptTokenizer(modelDir)
  return async (asked, stream) => {
    const sampled = await learner.sample(asked.map(tokenizer.encodePrompt), {
      seeds: asked.map((_, i) => seedOf(seed, stream, i)),
    })
    const rollouts = sampled.map((s, i) => ({
      ...s,
      sampleId: `${stream}/${i}`,
      prompt: asked[i]!,
      response: tokenizer.decodeResponse(s.responseIds),
    }))
    const views = await learner.reference(rollouts)
    return rollouts.map(({ sampleId, prompt, response }, i) => ({
      ...{ sampleId, prompt, response },
      features: views[i]!.features,
    }))
  }
}

/** The oracle's value of what the reward model picks, after each round of votes. */
async function taught(
  { candidates, heldOut, scale, width }: Answers,
  seed: number,
  active: boolean,
): Promise<number[]> {
  const config = rewardModelConfig(usual)
  const model = openRewardModel(config, width, seed)
  model.features.fitScale(scale)
  const random = seededRandom(seed)
  const crowd: OfflineCrowd = {
    ...{ raters: RATERS, temper: 'honest', adversaries: 0, strangers: 0, noise: NOISE, seed },
    categories: Object.keys(config.categories),
  }
  const votes: (RewardVote & { raterId: string; prompt: string })[] = []
  const scores: number[] = []
  for (const [round, batch] of candidates.entries()) {
    const order = active
      ? choose(
          batch.map(({ features }) => [features]),
          model,
          SHOWN,
          seedOf(seed, round),
        )
      : shuffled(
          batch.map((_, i) => i),
          random,
        ).slice(0, SHOWN)
    const shown = order.map((i) => batch[i]!)
    for (const { sampleId, features } of shown) model.features.add(sampleId, features)
    const promptOf = new Map(shown.map(({ sampleId, prompt }) => [sampleId, prompt]))
    for (const vote of castVotes(crowd, shown, SHOWN))
      votes.push({ ...vote, weight: 1, prompt: promptOf.get(vote.sampleId) ?? '' })
    const learnt = preferencesOf(votes)
    model.fit(learnt.votes, learnt.preferences)
    scores.push(
      mean(
        heldOut.map((answers) => {
          const predicted = answers.map(({ features }) => model.predict(features).mean)
          return truth(answers[predicted.indexOf(maxOf(predicted))]!)
        }),
      ),
    )
  }
  return scores
}

/** What an answer is worth by the oracle, with the default λ. */
function truth({ prompt, response }: Answer): number {
  const { compassion, usefulness } = rate(prompt, response)
  const lambda = usual.rewardModel.compassionWeight
  return lambda * compassion + (1 - lambda) * usefulness
}

export function choiceText({ seeds, votes, chosen, random, difference, needed }: ChoiceStudy): string {
  const rows = votes.flatMap((count, round) =>
    (round + 1) % 4 === 0 ? [[String(count), chosen[round]!.toFixed(3), random[round]!.toFixed(3)]] : [],
  )
  const all = votes.at(-1) ?? 0
  return [
    `The oracle’s value of the best of ${ANSWERS} answers by a reward model that learnt from so many votes, mean of ${seeds} seeds:`,
    '',
    table(['votes', 'chosen', 'at random'], rows),
    '',
    `At the end ${mean(difference).toFixed(3)} better, standard error ${standardError(difference).toFixed(3)}.`,
    needed === null
      ? `What ${all} votes at random teach was not reached.`
      : `What ${all} votes at random teach, ${needed} chosen ones do: ${Math.round(100 * (1 - needed / all))} % fewer.`,
  ].join('\n')
}
