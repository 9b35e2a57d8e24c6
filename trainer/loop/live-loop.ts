/**
 * The live loop of one run, readable top to bottom. It goes round for as long as the run lasts:
 *
 *   1. Hear which votes were cast and which withdrawn.                                 vote-log.ts
 *   2. If a provisional step used a vote that no longer stands: undo it and those after it, and make them again
 *      without the vote.
 *   3. Steps whose votes can no longer be withdrawn become final, with a checkpoint; now and then one is evaluated
 *      on prompts that the run does not train on.                                       evaluator.ts
 *   4. Answers that have their votes leave the pool; new ones of the current policy enter.   pool.ts
 *   5. If there are new votes, make a step: reward model, rewards, update.             learn-step.ts
 *      It is committed at once, with receipts, and provisional. Else wait a moment.
 *
 * A vote is used at once, although it can be withdrawn for some seconds: the state after each provisional step is
 * kept in memory (`Line`), so that a step can be undone. Where such states are too large, only votes that can no
 * longer be withdrawn are used, and each step is final when it is made.
 *
 * The loop knows neither sockets nor queues nor SQL: `World` is all that it sees of the outside. A step depends on
 * (state, votes, shown answers, seed) alone: an interrupted run makes the steps after its last checkpoint again from
 * the log, and has the same weights.
 *
 * Left out on purpose: answers to raters' own questions train the reward model but not the policy.
 */
import { VotesChanged, type LoggedStep } from '../../core/db/steps.ts'
import { bytesOf, type Checkpoint } from './checkpoint.ts'
import { openEvaluator, type Evaluator } from './evaluator.ts'
import { learn } from './learn-step.ts'
import { openPace, type Pace } from './pace.ts'
import { openPool } from './pool.ts'
import { openProbe } from './probe.ts'
import { answerAsk } from './rollouts.ts'
import { exportRun, restoreRun, type Run } from './run-state.ts'
import { KEPT_VOTES, openVoteLog, type Trust, type VoteLog } from './vote-log.ts'
import type { World } from './world.ts'

/** Polling interval while the loop waits, milliseconds. */
const TICK_MS = 100
/** Between two checkpoints, milliseconds: what a run that was killed makes again, besides its provisional steps. */
const CHECKPOINT_MS = 5_000
/** Provisional steps, at most. */
const MOST_PROVISIONAL = 24
/** Memory for the states after them, bytes: with larger states every vote waits until it can't be withdrawn. */
const UNDO_BYTES = 2 ** 30

/** What a loop holds besides the run: its votes, its provisional steps, and when it last did what. */
interface Loop {
  run: Run
  world: World
  votes: VoteLog
  line: Line
  evaluator: Evaluator
  pace: Pace
  /** When the run's last step was committed, or the run was opened; milliseconds since the epoch. */
  since: number
}

/** What a step is to be made of: the votes that it is the first to use, and whose votes it leaves out. */
interface Plan {
  votes: readonly string[]
  excluded: readonly string[]
}

/** The states that the run can go back to. */
interface Line {
  /** After the last final step. */
  base: Checkpoint
  /** The provisional steps, and the state after each. */
  made: { step: number; excluded: readonly string[]; state: Checkpoint }[]
  /** Whether votes are used before they can no longer be withdrawn. */
  early: boolean
}

/** Trains until the last step is final. @throws Interrupted when the run is paused, stopped or taken away */
export async function trainLive(run: Run, world: World, undoBytes = UNDO_BYTES): Promise<void> {
  const loop = await open(run, world, undoBytes)
  const { votes, line, pace } = loop
  const pool = openPool(run, world, loop.evaluator.answering)
  const probe = await openProbe(run, world)
  const { epochs, live } = run.config
  let finalisedAt = world.now()
  for (;;) {
    world.signal.throwIfAborted()
    await hear(loop)

    const final = lastSettled(loop)
    const done = run.state.step >= epochs
    if (final !== null && (done || !line.early || world.now() - finalisedAt >= CHECKPOINT_MS)) {
      await finalise(loop, final)
      finalisedAt = world.now()
    }
    if (done && line.made.length === 0) return pool.close()

    const open = done ? [] : await pool.tend()
    const waiting = done ? [] : votes.waiting(trusted(loop))
    const enough = waiting.length >= Math.max(1, live.minVotesPerStep)
    if (enough && line.made.length < MOST_PROVISIONAL && pace.isDue()) {
      pace.begin()
      world.phase('learning', run.state.step + 1)
      await insist(loop, { votes: waiting.map(({ id }) => id), excluded: votes.excluded })
      await probe.tell()
      continue
    }
    announceWaiting(loop)
    if (!done && !enough && line.made.length === 0) await world.quiet(open, run.state.step + 1)
    await answerAsks(loop)
    await world.sleep(TICK_MS)
  }
}

/** Opens the loop where the log ends: makes the steps after the run's checkpoint again. */
async function open(run: Run, world: World, undoBytes: number): Promise<Loop> {
  const logged = await world.logged(run.state.step)
  const last = logged.at(-1)?.step ?? run.state.step
  const votes = openVoteLog(await world.usedVotes(last, KEPT_VOTES))
  const evaluator = await openEvaluator(run, world)
  const base = await exportRun(run)
  const size = bytesOf(base)
  const line: Line = { base, made: [], early: size * MOST_PROVISIONAL <= undoBytes }
  const loop: Loop = { run, world, votes, line, evaluator, pace: openPace(world.now), since: world.now() }
  if (!line.early) {
    const megabytes = Math.ceil(size / 2 ** 20)
    await world.warn({
      step: last,
      kind: 'waits-for-withdrawals',
      message:
        `The state of this run takes ${megabytes} MiB, too much to keep one for every step that may have to be undone: ` +
        'a vote is used once it can no longer be withdrawn, some ten seconds after it was cast.',
    })
  }
  for (const [i, step] of logged.entries()) {
    world.phase('restoring', step.step)
    if (!step.final && !step.votes.every(votes.stands)) {
      await undo(loop, step.step)
      for (const plan of logged.slice(i)) await insist(loop, plan)
      break
    }
    await make(loop, step, step)
  }
  return loop
}

/** Takes in what has happened to the votes; the provisional steps that used one which is gone are made again. */
async function hear(loop: Loop): Promise<void> {
  const { votes, world, run } = loop
  const unsound = votes.hear(await world.news(run.state.step))
  if (unsound !== null) await remake(loop, unsound)
}

/** Makes a step, and if one of its votes is withdrawn before it is committed makes it again without that vote. */
async function insist(loop: Loop, plan: Plan): Promise<void> {
  const { run, votes, line } = loop
  for (;;) {
    try {
      return await make(loop, plan, null)
    } catch (error) {
      if (!(error instanceof VotesChanged)) throw error
      votes.release(run.state.step)
      restoreRun(run, line.made.at(-1)?.state ?? line.base)
      await hear(loop)
    }
  }
}

/**
 * Makes the next step of those of these votes that stand; without any of them there is no step.
 *
 * @param logged the step as it is in the log already, if it is made again
 * @throws VotesChanged if one is withdrawn meanwhile
 */
async function make(loop: Loop, { votes: ids, excluded }: Plan, logged: LoggedStep | null): Promise<void> {
  const { run, world, votes, line } = loop
  const standing = ids.filter(votes.stands)
  if (standing.length === 0 && !logged?.final) return
  const step = logged?.step ?? run.state.step + 1
  votes.use(standing, step)
  const learnt = votes.learntBy(step, excluded)
  const fresh = learnt.flatMap(({ sampleId, usedIn }) => (usedIn === step && sampleId !== null ? [sampleId] : []))
  const outcome = await learn(
    run,
    { step, votes: learnt, answers: await world.recorded(fresh) },
    { signal: world.signal, now: world.now, between: () => answerAsks(loop) },
  )
  const state = await exportRun(run)
  const committedAt = world.now()
  const commit = {
    step,
    policyVersion: run.learner.version,
    metrics: outcome.metrics(committedAt, loop.since),
    digest: outcome.digest,
    receipts: outcome.receipts(committedAt),
    crowd: outcome.crowd,
    warnings: outcome.warnings,
    pause: outcome.pause,
    excluded,
  }
  if (logged === null) await world.commit(commit)
  else if (logged.digest !== outcome.digest) await comeOutOtherwise(loop, commit, logged)
  loop.since = committedAt
  if (logged?.final) {
    if (logged.checkpoint !== null) await world.resave(step, state)
    line.base = state
  } else line.made.push({ step, excluded, state })
}

async function comeOutOtherwise(
  { world }: Loop,
  commit: Parameters<World['commit']>[0],
  { step, final }: LoggedStep,
): Promise<void> {
  if (!final) {
    await world.undo(step)
    return world.commit(commit)
  }
  await world.rewrite(commit)
  await world.warn({
    step,
    kind: 'step-remade',
    message:
      `Step ${step} was made again and came out otherwise: a vote that it had used was erased since, or another machine computed it. ` +
      'Its receipts stand as they were given.',
  })
}

/** Goes back to before a step, in the log and in the run. */
async function undo(loop: Loop, step: number): Promise<void> {
  const { run, world, votes, line } = loop
  await world.undo(step)
  votes.release(step)
  line.made = line.made.filter((one) => one.step < step)
  if (run.state.step >= step) restoreRun(run, line.made.at(-1)?.state ?? line.base)
}

/** Makes the provisional steps from `from` on again, each of those of its votes that still stand. */
async function remake(loop: Loop, from: number): Promise<void> {
  const { world, line, votes } = loop
  const first = Math.max(from, line.made[0]?.step ?? Infinity)
  const plans = line.made
    .filter(({ step }) => step >= first)
    .map(({ step, excluded }) => ({
      excluded,
      votes: votes.learntBy(step, []).flatMap(({ id, usedIn }) => (usedIn === step ? [id] : [])),
    }))
  if (plans.length === 0) return
  world.phase('restoring', first)
  await undo(loop, first)
  for (const plan of plans) {
    loop.pace.again()
    await insist(loop, plan)
  }
}

/** The last provisional step such that no vote of it, or of one before it, can be withdrawn any more; or null. */
function lastSettled({ line: { made }, votes }: Loop): number | null {
  const first = made.findIndex(({ step }) => !votes.settled(step))
  return made[(first === -1 ? made.length : first) - 1]?.step ?? null
}

/** Makes the provisional steps up to `step` final. */
async function finalise({ run, world, line, evaluator }: Loop, step: number): Promise<void> {
  const { keepEvery } = run.config.checkpoints
  const final = line.made.filter((one) => one.step <= step)
  const due = final.filter((one) => evaluator.isDue(one.step))
  const saved = final.filter(
    (one) => one.step === step || (keepEvery > 0 && one.step % keepEvery === 0) || due.includes(one),
  )
  try {
    await world.finalise(saved)
  } catch (error) {
    if (error instanceof VotesChanged) return // heard of at the next turn
    throw error
  }
  line.base = final.at(-1)!.state
  line.made = line.made.filter((one) => one.step > step)
  for (const one of due) await evaluator.evaluate(one.step, one.state, line.made.at(-1)?.state ?? line.base)
}

function announceWaiting({ run, world, votes, line }: Loop): void {
  const settlesIn = line.early ? null : votes.settlesIn()
  if (settlesIn === null) world.phase('voting', run.state.step + 1)
  else world.phase('settling', run.state.step + 1, world.now() + settlesIn)
}

/** Whose votes are used while they can still be withdrawn. */
function trusted({ line, pace }: Loop): Trust {
  if (!line.early) return 'nobody'
  return pace.isStrained() ? 'acquaintances' : 'everybody'
}

/** Answers the questions that wait. */
async function answerAsks({ run, world, evaluator }: Loop): Promise<void> {
  for (let ask = await world.nextAsk(); ask !== null; ask = await world.nextAsk()) {
    const question = ask
    await evaluator.answering(() => answerAsk(run, world, question))
  }
}
