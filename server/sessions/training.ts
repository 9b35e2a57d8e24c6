import { randomBytes, randomUUID } from 'node:crypto'
import { enqueueRun, publish, type Deps } from '../deps.ts'
import { findModel } from '../../core/db/models.ts'
import { transaction } from '../../core/db/pool.ts'
import { countAsks, insertAsk } from '../../core/db/samples.ts'
import { applyTransition, insertSession } from '../../core/db/sessions.ts'
import { lockUser } from '../../core/db/users.ts'
import { AttuneError } from '../../core/errors.ts'
import { joined, steered } from './admittance.ts'
import { demandHeldOut, demandTrainable } from './prompts.ts'
import type { Caller } from '../../core/permissions.ts'
import type { SessionStatus, TrainingConfig } from '../../core/protocol/index.ts'
import { transitions } from '../../core/session-state.ts'
import { demandSound } from './settings.ts'

/**
 * Starts a run of a model; the caller owns it. @throws AttuneError not-found, invalid, conflict if the model has no
 * weights or no prompts
 */
export async function startTraining(
  deps: Deps,
  caller: Caller,
  { modelId, configuration }: { modelId: string; configuration: TrainingConfig },
): Promise<{ sessionId: string; status: SessionStatus }> {
  demandSound(configuration)
  const model = await findModel(deps.pool, modelId)
  if (model === null) throw new AttuneError('not-found', `there is no model ${modelId}`, { path: 'modelId' })
  await demandTrainable(deps, model)
  await demandHeldOut(deps, modelId, configuration)
  const sessionId = `run-${randomBytes(6).toString('hex')}`
  const title = configuration.live.title ?? model.name
  await transaction(deps.pool, async (client) => {
    await insertSession(client, {
      id: sessionId,
      title,
      modelId,
      userId: caller.userId,
      status: 'pending',
      configuration,
    })
    await applyTransition(client, sessionId, 'start')
  })
  publish(deps, sessionId, { event: 'training-started', payload: { sessionId, session: sessionId } })
  enqueueRun(deps, sessionId)
  return { sessionId, status: 'active' }
}

/**
 * Pauses, resumes or stops a run: its owner may, and an admin. The trainer sees it within one
 * step (rule T2), because the session's status is what it reads.
 *
 * @throws AttuneError not-found, forbidden, conflict
 */
export async function steer(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  action: 'pause' | 'resume' | 'stop',
): Promise<{ sessionId: string; status: SessionStatus }> {
  await steered(deps.pool, caller, sessionId)
  await applyTransition(deps.pool, sessionId, action)
  publish(deps, sessionId, { event: transitions[action].event, payload: { sessionId, session: sessionId } })
  if (action === 'resume') enqueueRun(deps, sessionId)
  return { sessionId, status: transitions[action].to }
}

/** Questions of one person to one session that may wait at a time. */
const WAITING_ASKS = 2

/**
 * Puts a rater's own question to the policy; the trainer streams the answer like any sample.
 *
 * @throws AttuneError not-found, forbidden, conflict if the session is not active, too-frequent
 */
export async function ask(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  prompt: string,
): Promise<{ sampleId: string }> {
  const sampleId = randomUUID()
  await transaction(deps.pool, async (client) => {
    // One question of a person at a time, so that the count below is exact.
    await lockUser(client, caller.userId)
    const { status, currentStep, policyVersion } = await joined(client, caller, sessionId)
    if (status !== 'active') throw new AttuneError('conflict', `the session is ${status}: nobody would answer`)
    if ((await countAsks(client, sessionId, caller.userId)) >= WAITING_ASKS) {
      throw new AttuneError('too-frequent', `${WAITING_ASKS} of your questions wait for their answer`, {
        retryAfter: 10,
      })
    }
    await insertAsk(client, {
      id: sampleId,
      sessionId,
      userId: caller.userId,
      prompt,
      step: currentStep,
      policyVersion,
    })
  })
  return { sampleId }
}
