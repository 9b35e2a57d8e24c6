import { setTimeout as sleep } from 'node:timers/promises'
import type { Instance } from '../../scripts/study/instance.ts'
import type { TrainingConfig, TrainingConfigInput, TrainingSession } from '../../core/protocol/index.ts'

/** A session whose steps are small and follow each other closely. */
export const startQuickSession = (
  instance: Instance,
  title: string,
  live: TrainingConfigInput['live'] = {},
): Promise<TrainingSession> =>
  instance.startSession((demo) => small(demo, { title, votingWindowSeconds: 2, minVotes: 2, ...live }))

/** A session in which voting on the first answers goes on for as long as a test looks at it. */
export const startLongSession = (instance: Instance, title: string): Promise<TrainingSession> =>
  instance.startSession((demo) => small(demo, { title, votingWindowSeconds: 600, minVotes: 100 }))

const small = (demo: TrainingConfig, live: TrainingConfigInput['live']): TrainingConfigInput => ({
  ...demo,
  batchSize: 16,
  ppoConfig: { ...demo.ppoConfig, ppoEpochs: 1, miniBatchSize: 16 },
  live: { ...demo.live, shownPerStep: 4, minVotesPerStep: 1, maxNewTokens: 48, ...live },
})

/** Looks until it finds something other than undefined or false. @throws Error with `what` when the time is over. */
export async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined | false>): Promise<T> {
  const giveUpAt = Date.now() + seconds * 1_000
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > giveUpAt) throw new Error(`after ${seconds} s still not: ${what}`)
    await sleep(200)
  }
}

/** The last committed step. */
export async function currentStep(instance: Instance, sessionId: string): Promise<number> {
  const { rows } = await instance.pool.query<{ step: number }>(
    'select current_step as step from sessions where id = $1',
    [sessionId],
  )
  return rows[0]?.step ?? 0
}
