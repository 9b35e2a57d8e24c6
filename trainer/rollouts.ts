import { openRoomStream } from './stream.ts'
import { groupSize } from './configuration.ts'
import { drawGroups, sampleId } from './prompts.ts'
import { seedOf } from './rl/random.ts'
import type { Rollout } from './rl/rollout.ts'
import type { Run } from './state.ts'
import type { World } from './world.ts'

/** One step's rollouts. */
export interface Batch {
  step: number
  rollouts: Rollout[]
  /** Ids of those that the crowd sees: the first ones. */
  shown: string[]
}

/** Draws a batch from the current policy; what is shown streams to the room as it is drawn, and is open to votes at the end. */
export async function generate(run: Run, world: World, step: number): Promise<Batch> {
  const { config, prompts } = run
  const { batchSize } = config
  const { shownPerStep, seed } = config.live
  world.phase('generating', step)
  const drawn = drawGroups(prompts, { step, batchSize, groupSize: groupSize(config), seed })
  const rows = drawn.map((prompt, i) => ({ id: sampleId(run.sessionId, step, i), prompt }))
  const shown = rows.slice(0, Math.min(shownPerStep, batchSize)).map((row) => row.id)
  const rollouts = await answer(run, world, rows, { step, origin: 'rollout', shown, seed: seedOf(seed, step) })
  return { step, rollouts, shown }
}

/** Answers a rater's own question with the current policy. */
export async function answerAsk(run: Run, world: World, ask: { sampleId: string; prompt: string }): Promise<void> {
  const { tokenizer, config, state } = run
  if (tokenizer.encodePrompt(ask.prompt).length > run.learner.context - run.config.live.maxNewTokens) return world.failAsk(ask.sampleId)
  const seed = seedOf(config.live.seed, ...Array.from(ask.sampleId, (c) => c.charCodeAt(0)))
  await answer(run, world, [{ id: ask.sampleId, prompt: ask.prompt }], { step: state.step, origin: 'ask', shown: [ask.sampleId], seed })
}

interface Row {
  id: string
  prompt: string
}

async function answer(
  run: Run,
  world: World,
  rows: Row[],
  as: { step: number; origin: 'rollout' | 'ask'; shown: string[]; seed: number },
): Promise<Rollout[]> {
  const { learner, tokenizer } = run
  const { version: policyVersion } = learner
  const live: string[] = []
  for (const row of rows.slice(0, as.shown.length)) {
    const { id, prompt } = row
    if (await world.start({ id, step: as.step, origin: as.origin, prompt, policyVersion })) live.push(id)
  }
  const stream = openRoomStream({
    count: as.shown.length,
    increments: tokenizer.increments,
    now: world.now,
    send: (index, offset, text) => {
      if (live.includes(rows[index].id)) world.tokens(rows[index].id, offset, text)
    },
  })
  const promptIds = rows.map((row) => tokenizer.encodePrompt(row.prompt))
  const samples = await learner.sample(promptIds, {
    seeds: rows.map((_, i) => seedOf(as.seed, i)),
    onToken: (index, token) => {
      if (index < as.shown.length) stream.push(index, token)
    },
    signal: world.signal,
  })
  stream.flush()
  const rollouts = samples.map((sample, i): Rollout => ({
    sampleId: rows[i].id,
    prompt: rows[i].prompt,
    response: tokenizer.decodeResponse(sample.responseIds),
    ...sample,
  }))
  await Promise.all(rollouts.filter((r) => live.includes(r.sampleId)).map((r) => world.ready(r.sampleId, r.response)))
  return rollouts
}
