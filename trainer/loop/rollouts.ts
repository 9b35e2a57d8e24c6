import { openRoomStream } from './stream.ts'
import { groupSizeOf, ownConfig } from '../../core/protocol/index.ts'
import { drawGroups, sampleId } from './prompts.ts'
import { seedAlong, seedOf } from '../rl/random.ts'
import type { Rollout } from '../rl/rollout.ts'
import type { Batch, Run } from './run-state.ts'
import type { NewSample } from '../../core/db/samples.ts'
import type { World } from './world.ts'

/**
 * Samples a batch from the current policy; shown answers stream to the room while they are sampled, and are open to
 * votes at the end.
 */
export async function generate(run: Run, world: World, step: number): Promise<Batch> {
  const { config, prompts, sessionId } = run
  const { batchSize } = config
  const { shownPerStep, seed } = config.live
  const drawn = drawGroups(prompts, {
    step,
    batchSize,
    groupSize: groupSizeOf(config.algorithm, ownConfig(config)),
    seed,
  })
  const rows = drawn.map((prompt, i) => ({ idOf: (take: number) => sampleId(sessionId, step, i, take), prompt }))
  const shown = Math.min(shownPerStep, batchSize)
  const rollouts = await answer(run, world, rows, { step, origin: 'rollout', shown, seed: seedOf(seed, step) })
  return { step, rollouts, shown: rollouts.slice(0, shown).map((rollout) => rollout.sampleId) }
}

/** Answers a rater's own question with the current policy. */
export async function answerAsk(run: Run, world: World, ask: { sampleId: string; prompt: string }): Promise<void> {
  const { tokenizer, config, state } = run
  if (tokenizer.encodePrompt(ask.prompt).length > run.learner.context - run.config.live.maxNewTokens)
    return world.failAsk(ask.sampleId)
  const seed = seedAlong(
    config.live.seed,
    Array.from(ask.sampleId, (c) => c.charCodeAt(0)),
  )
  await answer(run, world, [{ idOf: () => ask.sampleId, prompt: ask.prompt }], {
    step: state.step,
    origin: 'ask',
    shown: 1,
    seed,
  })
}

interface Row {
  prompt: string
  /** Its sample's id; or that of a further take, if the first is stored with another answer. */
  idOf(take: number): string
}
interface As {
  step: number
  origin: 'rollout' | 'ask'
  /** The number of leading rows that are shown. */
  shown: number
  seed: number
}

async function answer(run: Run, world: World, rows: readonly Row[], as: As): Promise<Rollout[]> {
  const { learner, tokenizer } = run
  /** Of each shown row: the answer that is already stored; null while it is being generated. */
  const stored: (string | null)[] = []
  for (const row of rows.slice(0, as.shown)) stored.push(await world.start(newSample(run, row, as, 1)))
  const stream = openRoomStream({
    count: as.shown,
    increments: tokenizer.increments,
    now: world.now,
    send: (index, offset, text) => {
      if (stored[index] === null) world.tokens(rows[index]!.idOf(1), offset, text)
    },
  })
  const samples = await learner.sample(
    rows.map((row) => tokenizer.encodePrompt(row.prompt)),
    {
      seeds: rows.map((_, i) => seedOf(as.seed, i)),
      onToken: (index, token) => {
        if (index < as.shown) stream.push(index, token)
      },
      signal: world.signal,
    },
  )
  stream.flush()
  return Promise.all(
    samples.map(async (sample, i): Promise<Rollout> => {
      const response = tokenizer.decodeResponse(sample.responseIds)
      const take = i < as.shown ? await present(run, world, { row: rows[i]!, as, response, stored: stored[i]! }) : 1
      return { sampleId: rows[i]!.idOf(take), prompt: rows[i]!.prompt, response, ...sample }
    }),
  )
}

/**
 * Opens an answer to votes, and returns which take of its row it is. Votes belong to words: if an earlier attempt at
 * the step stored other ones (another machine's arithmetic, a vote erased since), this answer is a sample of its own.
 */
async function present(
  run: Run,
  world: World,
  { row, as, response, stored }: { row: Row; as: As; response: string; stored: string | null },
): Promise<number> {
  let take = 1
  for (let before = stored; before !== response; before = await world.start(newSample(run, row, as, take))) {
    if (before === null) {
      await world.ready(row.idOf(take), response)
      return take
    }
    take++
  }
  return take
}

const newSample = (run: Run, { idOf, prompt }: Row, { step, origin }: As, take: number): NewSample => ({
  id: idOf(take),
  step,
  origin,
  prompt,
  policyVersion: run.learner.version,
})
