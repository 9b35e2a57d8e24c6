import { z } from 'zod'
import { route } from './route.ts'
import { stepMetrics } from '../../../core/db/steps.ts'
import { findSession, listSessions } from '../../../core/db/sessions.ts'
import { listSamples } from '../../../core/db/samples.ts'
import { keepLearnt } from '../../models/exports.ts'
import {
  Ask,
  Exclude,
  limits,
  Model,
  ModelName,
  Rater,
  Taste,
  Sample,
  SessionId,
  SessionStatus,
  StartTraining,
  StepMetrics,
  TrainingMetrics,
  TrainingSession,
  Uuid,
} from '../../../core/protocol/index.ts'
import { readerOf, seen } from '../../sessions/admittance.ts'
import { excludeRater, listRaters, listTastes, readmitRater } from '../../sessions/raters.ts'
import { ask, startTraining, steer } from '../../sessions/training.ts'

const params = z.object({ sessionId: SessionId })
const rater = z.object({ sessionId: SessionId, userId: Uuid })
const Steered = z.object({ sessionId: SessionId, status: SessionStatus })
const pageLimit = z.coerce.number().int().min(1).max(limits.pageItems)

const steering = (action: 'pause' | 'resume' | 'stop', summary: string) =>
  route('post', `/api/training/:sessionId/${action}`, {
    access: 'train',
    summary,
    params,
    answer: Steered,
    handle: ({ deps, caller, params }) => steer(deps, caller, params.sessionId, action),
  })

export const trainingRoutes = [
  route('post', '/api/training/start', {
    access: 'train',
    summary: 'Start a run of a model; every part of the configuration has a default',
    body: StartTraining,
    answer: Steered,
    status: 201,
    handle: ({ deps, caller, body }) => startTraining(deps, caller, body),
  }),
  steering('pause', 'Pause a run within one step'),
  steering('resume', 'Resume a paused run from its last committed step'),
  steering('stop', 'End a run'),
  route('get', '/api/training/:sessionId/raters', {
    access: 'train',
    summary: 'Who votes in a run of mine, and what their votes weigh, the heaviest first',
    params,
    answer: z.array(Rater),
    cost: 10,
    handle: ({ deps, caller, params }) => listRaters(deps, caller, params.sessionId),
  }),
  route('get', '/api/training/:sessionId/tastes', {
    access: 'train',
    summary: 'What people like in a run of mine, the largest taste first, and the answers that divide them',
    params,
    answer: z.array(Taste),
    cost: 10,
    handle: ({ deps, caller, params }) => listTastes(deps, caller, params.sessionId),
  }),
  route('post', '/api/training/:sessionId/raters/:userId/exclude', {
    access: 'train',
    summary:
      'Exclude a rater from a run of mine: their votes weigh nothing from the next step on, and they can give no more',
    params: rater,
    body: Exclude,
    answer: rater,
    async handle({ deps, caller, params, body }) {
      await excludeRater(deps, caller, { ...params, ...body })
      return params
    },
  }),
  route('delete', '/api/training/:sessionId/raters/:userId/exclude', {
    access: 'train',
    summary: 'Readmit a rater whom I excluded: their votes weigh again from the next step on',
    params: rater,
    answer: rater,
    async handle({ deps, caller, params }) {
      await readmitRater(deps, caller, params)
      return params
    },
  }),
  route('post', '/api/training/:sessionId/model', {
    access: 'models',
    summary: 'Keep what a run has learnt so far as a model of its own',
    params,
    body: z.object({ name: ModelName }),
    answer: Model,
    status: 201,
    cost: 20,
    handle: ({ deps, caller, params: { sessionId }, body: { name } }) => keepLearnt(deps, caller, sessionId, name),
  }),
  route('get', '/api/training', {
    access: 'read',
    summary: 'The sessions that are listed for me, the running ones first',
    answer: z.array(TrainingSession),
    handle: ({ deps, caller }) => listSessions(deps.pool, readerOf(caller), limits.pageItems),
  }),
  route('get', '/api/training/:sessionId', {
    access: 'read',
    summary: 'One session',
    params,
    answer: TrainingSession,
    async handle({ deps, caller, params: { sessionId } }) {
      await seen(deps.pool, caller, sessionId)
      return findSession(deps.pool, sessionId)
    },
  }),
  route('get', '/api/training/:sessionId/samples', {
    access: 'read',
    summary: 'What the policy said, oldest first; `after` is the last sample seen, without it the latest ones come',
    params,
    query: z.object({ after: z.uuid().optional(), limit: pageLimit.default(50) }),
    answer: z.array(Sample),
    async handle({ deps, caller, params: { sessionId }, query }) {
      await seen(deps.pool, caller, sessionId)
      return listSamples(deps.pool, { sessionId, readerId: caller.userId, ...query })
    },
  }),
  route('post', '/api/training/:sessionId/ask', {
    access: 'ask',
    summary: 'Put a question to the policy; the answer streams like any sample',
    params,
    body: Ask.omit({ sessionId: true }),
    answer: z.object({ sampleId: z.uuid() }),
    status: 201,
    handle: ({ deps, caller, params, body }) => ask(deps, caller, params.sessionId, body.prompt),
  }),
  route('get', '/api/metrics/:sessionId', {
    access: 'read',
    summary: 'The latest metrics; with `since`, those of each step after it, oldest first',
    params,
    query: z.object({
      since: z.coerce
        .number()
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
    }),
    answer: z.union([TrainingMetrics, z.array(StepMetrics)]),
    async handle({ deps, caller, params: { sessionId }, query: { since, limit } }) {
      await seen(deps.pool, caller, sessionId)
      const { metrics } = await findSession(deps.pool, sessionId)
      return since === undefined ? metrics : stepMetrics(deps.pool, sessionId, since, limit)
    },
  }),
]
