/**
 * The live loop of one run, readable top to bottom.
 *
 *   1. Draw prompts, generate a batch with the current policy, stream what is shown.   rollouts.ts
 *   2. Keep voting open until every shown sample has its votes or the window ends; then a moment longer
 *      for votes that have been begun.
 *   3. Close it. With `overlap`, generate the next batch now: people vote on it meanwhile.
 *   4. Wait until no vote of the closed batch can be withdrawn any more.
 *   5. Learn: reward model, rewards, PPO.                                              learn-step.ts
 *   6. Checkpoint, receipts, metrics: one commit.
 *
 * A step that is in the log already, but whose checkpoint is lost, is recomputed from the votes that it
 * had: without 2 to 4, and without a second receipt for any vote.
 *
 * The loop knows neither sockets nor queues nor SQL: `World` is all that it sees of the outside. It is
 * deterministic given (checkpoint, votes, seed): an interrupted step is recomputed from the last commit, with the same
 * samples under the same ids, and gives the same weights.
 *
 * Left out on purpose: the answers to raters' own questions train the reward model but not the policy,
 * since a batch of a fixed size is what PPO's minibatches divide.
 */
import { limits } from '../../core/protocol/index.ts'
import { learn } from './learn-step.ts'
import { answerAsk, generate } from './rollouts.ts'
import type { Batch, Run } from './run-state.ts'
import type { RecordedStep, World } from './world.ts'

/** Polling interval while the loop waits, milliseconds. */
const tickMs = 250

/**
 * Trains until the last step is committed. `save` stores a checkpoint and returns its hash.
 *
 * @throws Interrupted when the run is paused, stopped or taken away; VotesChanged when a vote of the
 * step was erased before its commit. Either way the run resumes from the last commit.
 */
export async function trainLive(run: Run, world: World, save: () => Promise<string>): Promise<void> {
  const { config, state } = run
  const steps = config.epochs
  let since = world.now()
  while (state.step < steps) {
    const recorded = await world.recorded(state.step + 1)
    const batch = state.pending ?? (await draw(run, world, state.step + 1, recorded !== null))
    if (!recorded) await votingEnds(run, world, batch)
    await world.closeVoting(batch.shown)
    state.pending =
      config.live.overlap && batch.step < steps ? await draw(run, world, batch.step + 1, recorded !== null) : null
    if (!recorded) await votesSettle(run, world, batch)
    since = await step(run, world, { batch, recorded, since, save })
    world.signal.throwIfAborted()
  }
}

function draw(run: Run, world: World, step: number, restoring: boolean): Promise<Batch> {
  world.phase(restoring ? 'restoring' : 'generating', step)
  return generate(run, world, step)
}

/**
 * Until every shown sample has `minVotes`, or the window is over and the step has `minVotesPerStep`. Votes that people
 * have begun are waited for, together at most `limits.closingHoldMs`: begun votes extend that no further, and a loop
 * that was interrupted during it waits at most the same time again.
 */
async function votingEnds(run: Run, world: World, batch: Batch): Promise<void> {
  const { votingWindowSeconds, minVotes, minVotesPerStep } = run.config.live
  const ends = (await world.openedAt(batch.shown)) + votingWindowSeconds * 1000
  world.phase('voting', batch.step, ends)
  let holdsUntil: number | null = null
  for (let waiting = false; ;) {
    const tally = await world.tally(batch.shown)
    const total = [...tally.values()].reduce((sum, n) => sum + n, 0)
    if (total >= minVotesPerStep) {
      if (world.now() >= ends || batch.shown.every((id) => (tally.get(id) ?? 0) >= minVotes)) {
        if (world.now() >= (holdsUntil ?? Infinity) || (await world.begunVotes(batch.shown)) === 0) return
        if (holdsUntil === null) {
          holdsUntil = world.now() + limits.closingHoldMs
          world.phase('voting', batch.step, holdsUntil)
        }
      }
    } else if (world.now() >= ends && !waiting) {
      world.phase('waiting-for-votes', batch.step)
      waiting = true
    }
    await tick(run, world)
  }
}

async function votesSettle(run: Run, world: World, batch: Batch): Promise<void> {
  for (let ms = await world.settlesIn(batch.shown); ms > 0; ms = await world.settlesIn(batch.shown)) {
    world.phase('settling', batch.step, world.now() + ms)
    const until = world.now() + ms
    while (world.now() < until) await tick(run, world, until - world.now())
  }
}

/**
 * Returns when the step was committed, milliseconds since the epoch. @param since when the one before was, or the run
 * was opened
 */
async function step(
  run: Run,
  world: World,
  {
    batch,
    recorded,
    since,
    save,
  }: { batch: Batch; recorded: RecordedStep | null; since: number; save: () => Promise<string> },
): Promise<number> {
  world.phase(recorded ? 'restoring' : 'learning', batch.step)
  const votes = recorded?.votes ?? (await world.settledVotes())
  const outcome = await learn(run, batch, votes, { signal: world.signal, now: world.now })
  run.state.step = batch.step
  const checkpoint = await save()
  const committedAt = world.now()
  if (checkpoint === recorded?.checkpoint) return committedAt // restored bit for bit: the log is already complete
  await world.commit({
    step: batch.step,
    policyVersion: run.learner.version,
    metrics: outcome.metrics(committedAt, since),
    checkpoint,
    receipts: outcome.receipts(committedAt),
    learntFrom: outcome.learntFrom,
    crowd: outcome.crowd,
    ...(recorded
      ? { remade: true, warnings: [{ kind: 'step-remade', message: remadeOtherwise(batch.step) }], pause: null }
      : { remade: false, warnings: outcome.warnings, pause: outcome.pause }),
  })
  return committedAt
}

const remadeOtherwise = (step: number): string =>
  `Step ${step} was made again and came out otherwise: a vote that it had used was erased since, or another machine computed it. ` +
  'Its receipts stand as they were given.'

/** Waits a moment, answering raters' own questions meanwhile. */
async function tick(run: Run, world: World, atMost = tickMs): Promise<void> {
  world.signal.throwIfAborted()
  const ask = await world.nextAsk()
  if (ask) await answerAsk(run, world, ask)
  else await world.sleep(Math.min(tickMs, Math.max(1, atMost)))
}
