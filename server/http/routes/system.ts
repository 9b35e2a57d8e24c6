import { freemem, loadavg, totalmem } from 'node:os'
import { z } from 'zod'
import { route } from './route.ts'
import { chainProgress } from '../../../core/db/epochs.ts'
import { countVotes } from '../../../core/db/feedback.ts'
import { countModels } from '../../../core/db/models.ts'
import { countListed } from '../../../core/db/sessions.ts'
import { checkHealth, inTime } from '../health.ts'

const Standing = z.enum(['up', 'down', 'none'])
const SystemStatus = z.object({
  /**
   * unhealthy: the database is unreachable, or a part has stalled; degraded: another part is unreachable, or a full
   * disk has paused a run.
   */
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  /** Of those in everybody's list. */
  activeTrainingSessions: z.int(),
  totalModels: z.int(),
  /** null: the queue does not respond. */
  queuedJobs: z.int().nullable(),
  /** One-minute load average. */
  systemLoad: z.number(),
  /** Share of the machine's memory that is in use. */
  memoryUsage: z.number(),
  /** Nothing here measures GPUs: empty. */
  gpuUtilization: z.array(z.number()),
  blockchainSync: z.object({ status: Standing, lastEpoch: z.int().nullable(), unrecorded: z.int() }),
  components: z.object({ database: Standing, blockchain: Standing, queue: Standing }),
  /** What has not made progress for longer than three of its intervals, by name. */
  standstills: z.array(
    z.object({ name: z.string(), lastSeen: z.iso.datetime().nullable(), everyMs: z.number(), reason: z.string() }),
  ),
  /**
   * Runs that paused themselves for lack of disk space, and wait until somebody resumes them; one that is not in
   * everybody's list is not named (null).
   */
  pausedRuns: z.array(z.object({ sessionId: z.string().nullable(), reason: z.string() })),
  lastUpdate: z.iso.datetime(),
})

export const systemRoutes = [
  route('get', '/api/status', {
    access: 'public',
    summary: "The system's state",
    answer: SystemStatus,
    cost: 2,
    async handle({ deps }) {
      const [{ status, components, standstills, pausedRuns }, sessions, totalModels, progress, queuedJobs] =
        await Promise.all([
          checkHealth(deps),
          countListed(deps.pool),
          countModels(deps.pool),
          chainProgress(deps.pool),
          deps.redis.status === 'ready' ? inTime(deps.trainQueue.getWaitingCount()) : null,
        ])
      return {
        status,
        activeTrainingSessions: sessions.active ?? 0,
        totalModels,
        queuedJobs,
        systemLoad: loadavg()[0] ?? 0,
        memoryUsage: 1 - freemem() / totalmem(),
        gpuUtilization: [],
        blockchainSync: { status: components.blockchain, ...progress },
        components,
        standstills,
        pausedRuns,
        lastUpdate: new Date().toISOString(),
      }
    },
  }),
  route('get', '/api/metrics', {
    access: 'read',
    summary: 'Figures of the whole installation',
    answer: z.object({
      /** Those in everybody's list, by their status. */
      sessions: z.record(z.string(), z.int()),
      votes: z.int(),
      raters: z.int(),
      models: z.int(),
      /** Seconds. */
      uptime: z.number(),
    }),
    async handle({ deps }) {
      const [sessions, votes, models] = await Promise.all([
        countListed(deps.pool),
        countVotes(deps.pool),
        countModels(deps.pool),
      ])
      return { sessions, ...votes, models, uptime: process.uptime() }
    },
  }),
]
