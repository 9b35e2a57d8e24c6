/** The steps that a run keeps, and the ways back to them: rollback and branch. */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, link, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { enqueueRun, publish, type Deps } from '../deps.ts'
import { whetherSeen } from '../../core/db/audience.ts'
import { beginAt, branchOf, insertBranch } from '../../core/db/branches.ts'
import { listEvaluations } from '../../core/db/evaluations.ts'
import { headOf, keptSteps, rollbacksOf, rollBack, stepOf, toHistory } from '../../core/db/history.ts'
import { transaction } from '../../core/db/pool.ts'
import { takeRunLock, type RunLock } from '../../core/db/run-lock.ts'
import { closeSamples, openPool } from '../../core/db/samples.ts'
import { applyTransition, findSession, insertSession, sessionTitles } from '../../core/db/sessions.ts'
import { keepWarning } from '../../core/db/warnings.ts'
import { AttuneError } from '../../core/errors.ts'
import { lineage } from '../../core/lineage.ts'
import type { Caller } from '../../core/permissions.ts'
import { limits, TrainingConfig, type Branch, type RunHistory, type SessionStatus } from '../../core/protocol/index.ts'
import { ifThere } from '../../lm/files/disk.ts'
import { checkpointFile } from '../../trainer/loop/checkpoint.ts'
import { readerOf, seen, steered } from './admittance.ts'
import { demandSound } from './settings.ts'

/**
 * The steps of a run that can be gone back to, and how it was. A run that it branched from and that is hidden from the
 * caller is as good as gone. @throws AttuneError not-found
 */
export async function historyOf(deps: Deps, caller: Caller, sessionId: string): Promise<RunHistory> {
  const { configuration } = await seen(deps.pool, caller, sessionId)
  const directory = join(deps.models.checkpointsPath, sessionId)
  const files = (await ifThere(readdir(directory))) ?? []
  const hashes = files.flatMap((name) => /^([0-9a-f]{64})\.safetensors$/.exec(name)?.[1] ?? [])
  const [steps, rollbacks, origin] = await Promise.all([
    keptSteps(deps.pool, sessionId, TrainingConfig.parse(configuration).checkpoints, hashes),
    rollbacksOf(deps.pool, sessionId),
    branchOf(deps.pool, sessionId),
  ])
  const sizes = await Promise.all(steps.map(({ checkpoint }) => ifThere(stat(checkpointFile(directory, checkpoint)))))
  return {
    // A file may be deleted between listing and asking.
    kept: steps.flatMap(({ checkpoint: _, ...step }, i) => {
      const bytes = sizes[i]?.size
      return bytes === undefined ? [] : [{ ...step, bytes }]
    }),
    rollbacks: rollbacks.map(toHistory),
    origin: origin && {
      sessionId: await ifSeen(deps, caller, origin.fromSession),
      step: origin.step,
      by: origin.by,
      timestamp: origin.at.toISOString(),
    },
  }
}

async function ifSeen(deps: Deps, caller: Caller, sessionId: string | null): Promise<string | null> {
  if (sessionId === null) return null
  const [sees] = await whetherSeen(deps.pool, [{ sessionId, ...readerOf(caller) }])
  return sees === true ? sessionId : null
}

/**
 * Takes a run back to a kept step. An active run is paused first; it stays paused, so that somebody looks before it goes
 * on. The log is append-only: the later steps, their receipts and what is on the chain stand. They are set aside: the
 * run continues from the weights of `step` under the next free number, and no longer learns from the votes that they
 * were the first to use. Taken back to one of them, it learns from theirs again.
 *
 * @throws AttuneError not-found, forbidden, conflict if the step is not kept, the run goes on from it already or has
 *   ended, or a trainer does not let go of it
 */
export async function rollBackTo(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  step: number,
): Promise<{ sessionId: string; status: SessionStatus; step: number }> {
  const { status } = await steered(deps.pool, caller, sessionId)
  if (status !== 'active' && status !== 'paused')
    throw new AttuneError('conflict', `the session is ${status}: branch a new run from the step instead`)
  await keptFile(deps, sessionId, step)
  if ((await headOf(deps.pool, sessionId)).continues === step)
    throw new AttuneError('conflict', `the run goes on from step ${step} already`, { path: 'step' })
  if (status === 'active') {
    await applyTransition(deps.pool, sessionId, 'pause')
    publish(deps, sessionId, { event: 'training-paused', payload: { sessionId, session: sessionId } })
  }
  const lock = await lockOnceFree(deps, sessionId)
  try {
    // Nobody trains it now, so what is read here stays as it is; a file that was pruned meanwhile is missed.
    await keptFile(deps, sessionId, step)
    const head = await headOf(deps.pool, sessionId)
    if (head.continues === step)
      throw new AttuneError('conflict', `the run goes on from step ${step} already`, { path: 'step' })
    const [rollbacks, origin] = await Promise.all([rollbacksOf(deps.pool, sessionId), branchOf(deps.pool, sessionId)])
    const line = lineage(step, rollbacks, (origin?.step ?? 0) + 1)
    const before = await listEvaluations(deps.pool, sessionId, limits.snapshotEvaluations)
    const warning = await transaction(deps.pool, async (client) => {
      if (!(await rollBack(client, { sessionId, at: head.last, to: step, line, by: caller.userId })))
        throw new AttuneError('conflict', 'the run was resumed or stopped meanwhile')
      const message = `The run was taken back to step ${step}, and goes on from its weights as step ${head.last + 1}. Votes that were first used in between no longer teach it; their receipts stand.`
      return keepWarning(client, { sessionId, step: head.last, kind: 'rolled-back', message })
    })
    const open = (await openPool(deps.pool, sessionId)).map(({ id }) => id)
    for (const { sampleId, crowd } of await closeSamples(deps.pool, sessionId, open))
      publish(deps, sessionId, { event: 'voting-closed', payload: { sessionId, sampleId, crowd } })
    publish(deps, sessionId, { event: 'training-warning', payload: warning })
    const setAside = new Map(before.map((evaluation) => [evaluation.step, evaluation.setAside]))
    for (const payload of await listEvaluations(deps.pool, sessionId, limits.snapshotEvaluations))
      if (payload.setAside !== setAside.get(payload.step)) publish(deps, sessionId, { event: 'evaluation', payload })
  } finally {
    lock.release()
  }
  return { sessionId, status: 'paused', step }
}

/** A trainer ends at its next minibatch (rule T2); this long is waited for it, milliseconds. */
const LOCK_WAIT_MS = 15_000
const LOCK_POLL_MS = 200

async function lockOnceFree(deps: Deps, sessionId: string): Promise<RunLock> {
  const until = Date.now() + LOCK_WAIT_MS
  for (;;) {
    const lock = await takeRunLock(deps.pool, sessionId)
    if (lock !== null) return lock
    if (Date.now() > until)
      throw new AttuneError('conflict', 'the run is paused, and its trainer has not ended its step yet: try again')
    await sleep(LOCK_POLL_MS)
  }
}

/**
 * Starts a new run from a kept step of another one, with its steps' numbers, its settings but for `overrides`, and the
 * votes that led to these weights. The caller owns it; the origin goes on as it was.
 *
 * @throws AttuneError not-found, forbidden, invalid, conflict if the step is not kept
 */
export async function branchFrom(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  { step, title, overrides = {} }: Branch,
): Promise<{ sessionId: string; status: SessionStatus }> {
  await steered(deps.pool, caller, sessionId)
  const origin = await findSession(deps.pool, sessionId)
  const configuration = merged(TrainingConfig.parse(origin.configuration), overrides)
  demandSound(configuration, 'overrides')
  if (configuration.epochs <= step)
    throw new AttuneError('invalid', `the branch begins after step ${step}: give it more steps than that`, {
      path: 'overrides.epochs',
    })
  const { path, checkpoint, policyVersion } = await keptFile(deps, sessionId, step)
  const [rollbacks, before] = await Promise.all([rollbacksOf(deps.pool, sessionId), branchOf(deps.pool, sessionId)])
  const line = lineage(step, rollbacks, (before?.step ?? 0) + 1)
  const id = `run-${randomBytes(6).toString('hex')}`
  const titled = title ?? `${(await sessionTitles(deps.pool, [sessionId])).get(sessionId)} from step ${step}`
  const directory = join(deps.models.checkpointsPath, id)
  await takeOver(path, directory, checkpoint)
  try {
    await transaction(deps.pool, async (client) => {
      const { modelId } = origin
      const session = { id, title: titled, modelId, userId: caller.userId, status: 'pending', configuration } as const
      await insertSession(client, session)
      await insertBranch(client, {
        sessionId: id,
        fromSession: sessionId,
        fromStep: step,
        line,
        checkpoint,
        by: caller.userId,
      })
      await beginAt(client, id, { step, policyVersion, checkpoint })
      await applyTransition(client, id, 'start')
    })
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  publish(deps, id, { event: 'training-started', payload: { sessionId: id, session: id } })
  enqueueRun(deps, id)
  return { sessionId: id, status: 'active' }
}

/** A kept step's file. @throws AttuneError not-found, conflict if its file is gone or damaged */
async function keptFile(
  deps: Deps,
  sessionId: string,
  step: number,
): Promise<{ path: string; checkpoint: string; policyVersion: number }> {
  const found = await stepOf(deps.pool, sessionId, step)
  if (found === null) throw new AttuneError('not-found', `${sessionId} has no step ${step}`, { path: 'step' })
  const path = checkpointFile(join(deps.models.checkpointsPath, sessionId), found.checkpoint)
  const gone = (why: string) =>
    new AttuneError('conflict', `the weights of step ${step} ${why}: choose a step that is kept`, { path: 'step' })
  const hash = createHash('sha256')
  if ((await ifThere(pipeline(createReadStream(path), hash).then(() => true))) === null) throw gone('are not kept')
  if (hash.digest('hex') !== found.checkpoint) throw gone('are damaged')
  return { path, ...found }
}

/** Links a checkpoint into another run's folder; where that can't be, copies it. No checkpoint is ever written to. */
async function takeOver(path: string, directory: string, checkpoint: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const own = checkpointFile(directory, checkpoint)
  try {
    await link(path, own)
  } catch {
    // Another file system, or one without links.
    await copyFile(path, own)
  }
}

/** The origin's settings with the branch's in their place. @throws AttuneError invalid with the path */
function merged(origin: TrainingConfig, overrides: Branch['overrides']): TrainingConfig {
  const parsed = TrainingConfig.safeParse(laidOver(origin, overrides))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AttuneError('invalid', issue?.message ?? 'these settings do not go together', {
    path: ['overrides', ...(issue?.path ?? [])].join('.'),
  })
}

const Tree = z.record(z.string(), z.unknown())

/** Objects are merged key by key; everything else of `over` replaces what is below. */
function laidOver(below: unknown, over: unknown): unknown {
  const [a, b] = [Tree.safeParse(below), Tree.safeParse(over)]
  if (!a.success || !b.success) return over === undefined ? below : over
  return {
    ...a.data,
    ...Object.fromEntries(Object.entries(b.data).map(([key, value]) => [key, laidOver(a.data[key], value)])),
  }
}
