import { z } from 'zod'
import { route } from './route.ts'
import { evaluationAnswers, listEvaluations } from '../../../core/db/evaluations.ts'
import {
  Branch,
  Evaluation,
  EvaluationAnswer,
  limits,
  Rollback,
  RunHistory,
  SessionId,
  SessionStatus,
} from '../../../core/protocol/index.ts'
import { seen } from '../../sessions/admittance.ts'
import { branchFrom, historyOf, rollBackTo } from '../../sessions/history.ts'

const params = z.object({ sessionId: SessionId })
const step = z.coerce
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1)

export const historyRoutes = [
  route('get', '/api/training/:sessionId/evaluations', {
    access: 'read',
    summary: 'How the run did on prompts that it does not train on: the latest evaluations, oldest first',
    params,
    query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(limits.snapshotEvaluations) }),
    answer: z.array(Evaluation),
    async handle({ deps, caller, params: { sessionId }, query: { limit } }) {
      await seen(deps.pool, caller, sessionId)
      return listEvaluations(deps.pool, sessionId, limit)
    },
  }),
  route('get', '/api/training/:sessionId/evaluations/:step', {
    access: 'read',
    summary: 'What was answered in the evaluation after a step, beside the untrained model’s answers',
    params: z.object({ sessionId: SessionId, step }),
    answer: z.array(EvaluationAnswer),
    async handle({ deps, caller, params: { sessionId, step } }) {
      await seen(deps.pool, caller, sessionId)
      return evaluationAnswers(deps.pool, sessionId, step)
    },
  }),
  route('get', '/api/training/:sessionId/history', {
    access: 'read',
    summary:
      'The steps whose weights are kept, newest first, with what keeps them; rollbacks, and where it branched from',
    params,
    answer: RunHistory,
    cost: 2,
    handle: ({ deps, caller, params }) => historyOf(deps, caller, params.sessionId),
  }),
  route('post', '/api/training/:sessionId/rollback', {
    access: 'train',
    summary:
      'Take a run of mine back to a kept step. It is paused; resumed, it continues from there. The log stays: later steps and their receipts stand, and are set aside',
    params,
    body: Rollback,
    answer: z.object({ sessionId: SessionId, status: SessionStatus, step: z.int() }),
    cost: 10,
    handle: ({ deps, caller, params, body }) => rollBackTo(deps, caller, params.sessionId, body.step),
  }),
  route('post', '/api/training/:sessionId/branch', {
    access: 'train',
    summary:
      'Start a new run from a kept step of one of mine, with its votes up to there and its settings but for `overrides`',
    params,
    body: Branch,
    answer: z.object({ sessionId: SessionId, status: SessionStatus }),
    status: 201,
    cost: 10,
    handle: ({ deps, caller, params, body }) => branchFrom(deps, caller, params.sessionId, body),
  }),
]
