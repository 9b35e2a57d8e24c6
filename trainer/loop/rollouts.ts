/** Answers of the current policy: a step's own, those that are shown to the crowd, and those to raters' questions. */
import { groupSizeOf, ownConfig } from '../../core/protocol/index.ts'
import type { ShownSample } from '../../core/db/samples.ts'
import { drawGroups, sampleId } from './prompts.ts'
import { choose } from '../reward/choose.ts'
import { inGroups } from '../rl/minibatches.ts'
import { seedAlong, seedOf } from '../rl/random.ts'
import type { Rollout } from '../rl/rollout.ts'
import type { Run } from './run-state.ts'
import { openRoomStream } from './stream.ts'
import type { World } from './world.ts'

/** Separates the random streams of shown answers from the steps', which count from 1. */
const shownStream = -1

/** Answers that belong together: to the same prompt where the algorithm compares such, else single ones. */
export type Group = readonly Rollout[]

export const groupSize = ({ config }: Run): number => groupSizeOf(config.algorithm, ownConfig(config))

/** The first `count` groups of a step: they follow from the policy, the seed and the step alone. */
export async function drawForStep(run: Run, step: number, count: number, signal: AbortSignal): Promise<Rollout[]> {
  const { config, prompts } = run
  const size = groupSize(run)
  const asked = drawGroups(prompts, { step, batchSize: config.batchSize, groupSize: size, seed: config.live.seed })
  const seed = seedOf(config.live.seed, step)
  const rollouts = await sample(run, asked.slice(0, count * size), { seed, signal })
  return rollouts.map((rollout, i) => ({ ...rollout, sampleId: `step/${step}/${i}` }))
}

/**
 * `count` groups to show, as the `first`-th and following answers that the session ever shows: of `live.candidates` times
 * as many, those that may be the best.
 */
export async function drawToShow(run: Run, first: number, count: number, signal: AbortSignal): Promise<Group[]> {
  const { prompts, config, sessionId, learner, rewardModel } = run
  const { candidates, seed: runSeed } = config.live
  const size = groupSize(run)
  const seed = seedOf(runSeed, shownStream, first)
  // Along the same seeded order for as long as the session lasts: every prompt comes up before one comes again.
  const asked = prompts
    .draw(Math.floor(first / size) * candidates, count * candidates, seedOf(runSeed, shownStream))
    .flatMap((prompt) => new Array<string>(size).fill(prompt))
  const rollouts = await sample(run, asked, { seed, signal })
  const named = rollouts.map((rollout, i) => ({ ...rollout, sampleId: sampleId(`${sessionId}/shown/${first}/${i}`) }))
  const groups = inGroups(named, size)
  if (candidates === 1) return groups
  const features = (await learner.reference(named)).map((view) => view.features)
  return choose(inGroups(features, size), rewardModel, count, seed).map((place) => groups[place]!)
}

async function sample(
  { learner, tokenizer }: Run,
  prompts: readonly string[],
  { seed, signal }: { seed: number; signal: AbortSignal },
): Promise<Rollout[]> {
  if (prompts.length === 0) return []
  const samples = await learner.sample(
    prompts.map((prompt) => tokenizer.encodePrompt(prompt)),
    { seeds: prompts.map((_, i) => seedOf(seed, i)), signal },
  )
  return samples.map((one, i) => ({
    sampleId: '',
    prompt: prompts[i]!,
    response: tokenizer.decodeResponse(one.responseIds),
    ...one,
  }))
}

/** A shown answer as the log keeps it. */
export function recordOf(run: Run, group: Group): ShownSample[] {
  return group.map(
    ({ sampleId: id, prompt, response, promptIds, responseIds, logprobs, truncated, policyVersion }) => ({
      ...{ id, prompt, response, policyVersion },
      step: run.state.step + 1,
      origin: 'rollout',
      rollout: { promptIds, responseIds, logprobs: [...logprobs], truncated, group: group.map((one) => one.sampleId) },
    }),
  )
}

/**
 * … and back. No update has this version: whatever has been undone since, the policy that is trained is another than
 * the one that answered.
 */
export function rolloutOf({ id, prompt, response, rollout }: ShownSample): Rollout {
  const { promptIds, responseIds, logprobs, truncated } = rollout
  return {
    ...{ sampleId: id, prompt, response, promptIds, responseIds, truncated },
    logprobs: Float32Array.from(logprobs),
    policyVersion: -1,
  }
}

/** Answers a rater's own question with the current policy; the answer streams to the room while it is sampled. */
export async function answerAsk(run: Run, world: World, ask: { sampleId: string; prompt: string }): Promise<void> {
  const { learner, tokenizer, config, state } = run
  const { sampleId: id, prompt } = ask
  const promptIds = tokenizer.encodePrompt(prompt)
  if (promptIds.length > learner.context - config.live.maxNewTokens) return world.failAsk(id)
  await world.start({ id, step: state.step, origin: 'ask', prompt, policyVersion: learner.version })
  const stream = openRoomStream({
    count: 1,
    increments: tokenizer.increments,
    now: world.now,
    send: (_, offset, text) => world.tokens(id, offset, text),
  })
  const seed = seedAlong(
    config.live.seed,
    Array.from(id, (c) => c.charCodeAt(0)),
  )
  const [answer] = await learner.sample([promptIds], {
    seeds: [seed],
    onToken: (index, token) => stream.push(index, token),
    signal: world.signal,
  })
  stream.flush()
  await world.ready(id, tokenizer.decodeResponse(answer!.responseIds))
}
