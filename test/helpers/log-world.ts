/**
 * The outside of a live loop as a plain log, which outlives the loop's processes as a database does. Who
 * votes, what they say and when it counts follow from the log alone, so every life of a run sees the same votes.
 */
import type { StepCommit } from '../../core/db/steps.ts'
import type { SettledVote } from '../../core/db/feedback.ts'
import type { NewSample } from '../../core/db/samples.ts'
import { Interrupted, type World } from '../../trainer/loop/world.ts'
import { shareOfVowels } from './live-session.ts'

type Commit = Omit<StepCommit, 'sessionId'>
/** What happened, in order; JSON. */
export type Happened = { started: NewSample } | { ready: { id: string; response: string } } | { committed: Commit }

export interface RunLog {
  samples: Map<string, NewSample & { response: string | null }>
  commits: Commit[]
}

export function openLog(happened: readonly Happened[] = []): RunLog {
  const log: RunLog = { samples: new Map(), commits: [] }
  for (const entry of happened) enter(log, entry)
  return log
}

function enter(log: RunLog, entry: Happened): void {
  if ('started' in entry) log.samples.set(entry.started.id, { ...entry.started, response: null })
  else if ('committed' in entry) log.commits.push(entry.committed)
  else {
    const sample = log.samples.get(entry.ready.id)
    if (!sample) throw new Error(`sample ${entry.ready.id} was never started`)
    sample.response = entry.ready.response
  }
}

/**
 * Called around every call to the outside; throws where the process dies. Only those that change the log have an
 * `after`.
 */
export type Fault = (call: string, moment: 'before' | 'after') => void

const askId = '00000000-0000-4000-8000-00000000a5c0'
/** While people vote on this step's answers, somebody asks a question of their own. */
const askedInStep = 2

export function logWorld(
  log: RunLog,
  { fault, persist = () => undefined }: { fault: Fault; persist?: (entry: Happened) => void },
): World {
  const abort = new AbortController()
  /** Batches whose votes were counted before, in this life: the first count comes too early. */
  const counted = new Set<string>()
  let clock = 1_000_000
  const around = <T>(call: string, work: () => T): T => {
    try {
      fault(call, 'before')
      return work()
    } catch (error) {
      abort.abort(error)
      throw error
    }
  }
  const change = (call: string, entry: Happened): void => {
    around(call, () => {
      persist(entry)
      enter(log, entry)
      fault(call, 'after')
    })
  }
  return {
    signal: abort.signal,
    now: () => (clock += 1),
    sleep: async (ms) => around('sleep', () => void (clock += ms)),
    phase: (phase) => around(`phase ${phase}`, () => undefined),
    async start(sample) {
      const whole = log.samples.get(sample.id)?.response ?? null
      if (whole === null) change('start', { started: sample })
      return whole
    },
    tokens: () => around('tokens', () => undefined),
    ready: async (id, response) => change('ready', { ready: { id, response } }),
    openedAt: async () => around('openedAt', () => clock),
    tally: async (ids) =>
      around('tally', () => {
        const key = ids.join()
        const votes = counted.has(key) ? 2 : 0
        counted.add(key)
        return new Map(ids.map((id) => [id, votes]))
      }),
    // Somebody is in the middle of a vote when a closing is first thought of.
    begunVotes: async (ids) =>
      around('begunVotes', () => {
        const key = `begun ${ids.join()}`
        const begun = counted.has(key) ? 0 : 1
        counted.add(key)
        return begun
      }),
    closeVoting: async () => around('closeVoting', () => undefined),
    settlesIn: async () => around('settlesIn', () => 0),
    settledVotes: async () => around('settledVotes', () => votesIn(log)),
    recorded: async () => around('recorded', () => null),
    nextAsk: async () =>
      around('nextAsk', () => {
        const due = log.commits.length === askedInStep - 1 && log.samples.get(askId)?.response == null
        return due ? { sampleId: askId, prompt: 'How do I say sorry?' } : null
      }),
    failAsk: () => Promise.reject(new Error('the question does not fit')),
    commit: async (step) => change('commit', { committed: step }),
  }
}

/** Two people vote on every answer: one in time, by its vowels; one only after its step, by its length. */
function votesIn({ samples, commits }: RunLog): SettledVote[] {
  const usedIn = new Map(commits.flatMap(({ step, receipts }) => receipts.map((receipt) => [receipt.feedbackId, step])))
  const order = (a: NewSample, b: NewSample): number => a.step - b.step || (a.id < b.id ? -1 : 1)
  return [...samples.values()].sort(order).flatMap(({ id, step, origin, prompt, response }): SettledVote[] => {
    if (response === null) return []
    const vote = (raterId: string, taste: number): SettledVote => ({
      id: `${raterId}/${id}`,
      sampleId: id,
      origin,
      raterId,
      ownQuestion: false,
      late: false,
      prompt,
      response,
      rating: 1 + 9 * taste,
      categories: [{ name: 'helpfulness', score: 1 + 9 * taste, weight: 1 }],
      compassion: taste,
      at: 1_000_000,
      usedIn: usedIn.get(`${raterId}/${id}`) ?? null,
      source: null,
    })
    const prompt1 = vote('prompt', shareOfVowels(response))
    return commits.length >= step + (origin === 'ask' ? 1 : 0)
      ? [prompt1, vote('late', Math.min(1, response.length / 200))]
      : [prompt1]
  })
}

/** A death of this process. */
export const killed = (): Interrupted => new Interrupted('taken-away')
