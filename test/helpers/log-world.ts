/**
 * The outside of a live loop as a plain log, which outlives the loop's processes as a database does. Who
 * votes, what they say and when it counts follow from the log alone, so every life of a run sees the same votes.
 */
import type { SettledVote, VoteNews } from '../../core/db/feedback.ts'
import { NO_NEWS } from '../../core/db/feedback.ts'
import type { NewSample, ShownSample } from '../../core/db/samples.ts'
import type { LoggedStep, StepCommit } from '../../core/db/steps.ts'
import { VotesChanged } from '../../core/db/steps.ts'
import type { CheckpointStore } from '../../trainer/loop/checkpoint.ts'
import { Interrupted, type World } from '../../trainer/loop/world.ts'
import { shareOfVowels } from './live-session.ts'

export type Commit = Omit<StepCommit, 'sessionId'>
/** What happened, in order; JSON. */
export type Happened =
  | { shown: ShownSample[] }
  | { closed: string[] }
  | { started: NewSample }
  | { answered: { id: string; response: string } }
  | { committed: Commit }
  | { undone: number }
  | { rewritten: Commit }
  | { final: { step: number; checkpoints: { step: number; hash: string }[] } }

export interface RunLog {
  /** Answers to the run's prompts, in the order in which they were shown. */
  samples: Map<string, ShownSample & { open: boolean }>
  /** Answers to questions. */
  asks: Map<string, NewSample & { response: string | null }>
  steps: (Commit & { final: boolean })[]
  /** How often steps were undone. */
  undone: number
  checkpoints: { step: number; hash: string }[]
}

export function openLog(happened: readonly Happened[] = []): RunLog {
  const log: RunLog = { samples: new Map(), asks: new Map(), steps: [], undone: 0, checkpoints: [] }
  for (const entry of happened) enter(log, entry)
  return log
}

function enter(log: RunLog, entry: Happened): void {
  if ('shown' in entry) for (const sample of entry.shown) log.samples.set(sample.id, { ...sample, open: true })
  else if ('closed' in entry) for (const id of entry.closed) log.samples.get(id)!.open = false
  else if ('started' in entry) log.asks.set(entry.started.id, { ...entry.started, response: null })
  else if ('answered' in entry) log.asks.get(entry.answered.id)!.response = entry.answered.response
  else if ('committed' in entry) log.steps.push({ ...entry.committed, final: false })
  else if ('undone' in entry) {
    log.steps = log.steps.filter(({ step }) => step < entry.undone)
    log.undone++
  } else if ('rewritten' in entry)
    log.steps = log.steps.map((step) =>
      step.step === entry.rewritten.step ? { ...entry.rewritten, final: true } : step,
    )
  else {
    for (const step of log.steps) if (step.step <= entry.final.step) step.final = true
    log.checkpoints.push(...entry.final.checkpoints)
  }
}

/**
 * Called around every call to the outside; throws where the process dies. Only those that change the log have an
 * `after`.
 */
export type Fault = (call: string, moment: 'before' | 'after') => void

/** Everything that people have done so far, by the log: standing votes in their order, and what was withdrawn. */
export type People = (log: RunLog) => { votes: SettledVote[]; withdrawn: string[]; settledUntil: number }

export interface LogWorldOptions {
  store: CheckpointStore
  people: People
  fault?: Fault
  persist?: (entry: Happened) => void
}

const askId = '00000000-0000-4000-8000-00000000a5c0'
/** Once this many steps are made, somebody asks a question of their own. */
const askedAfter = 2

export function logWorld(log: RunLog, options: LogWorldOptions): World {
  const { store, people, fault = () => undefined, persist = () => undefined } = options
  const abort = new AbortController()
  let clock = 1_000_000
  const around = <T>(call: string, work: () => T): T => {
    try {
      fault(call, 'before')
      return work()
    } catch (error) {
      if (error instanceof Interrupted) abort.abort(error)
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
  const usedIn = (): Map<string, number> =>
    new Map(log.steps.flatMap(({ step, receipts }) => receipts.map((receipt) => [receipt.feedbackId, step])))
  const demandStanding = (ids: readonly string[]): void => {
    const standing = new Set(people(log).votes.map(({ id }) => id))
    if (!ids.every((id) => standing.has(id))) throw new VotesChanged('withdrawn')
  }
  return {
    signal: abort.signal,
    now: () => (clock += 1),
    sleep: async (ms) => around('sleep', () => void (clock += ms)),
    phase: () => undefined,
    pool: async () =>
      around('pool', () => {
        const { votes } = people(log)
        return [...log.samples.values()]
          .filter(({ open }) => open)
          .map(({ id }) => ({
            id,
            votes: votes.filter(({ sampleId }) => sampleId === id).length,
            openMs: 0,
            overtaken: true,
            people: 1000,
          }))
      }),
    shown: async () => log.samples.size,
    held: async () => around('held', () => []),
    show: async (samples) => change('show', { shown: [...samples] }),
    closeVoting: async (ids) => change('closeVoting', { closed: [...ids] }),
    recorded: async (ids) =>
      around('recorded', () => {
        const groups = new Set(ids.flatMap((id) => log.samples.get(id)?.rollout.group ?? []))
        return [...log.samples.values()].filter(({ id }) => groups.has(id))
      }),
    nextAsk: async () =>
      around('nextAsk', () => {
        const due = log.steps.length >= askedAfter && log.asks.get(askId)?.response == null
        return due ? { sampleId: askId, prompt: 'How do I say sorry?' } : null
      }),
    start: async (sample) => change('start', { started: sample }),
    tokens: () => undefined,
    ready: async (id, response) => change('ready', { answered: { id, response } }),
    failAsk: () => Promise.reject(new Error('the question does not fit')),
    usedVotes: async (step, count) =>
      around('usedVotes', () => {
        const used = usedIn()
        return people(log)
          .votes.flatMap((vote) =>
            (used.get(vote.id) ?? Infinity) <= step ? [{ ...vote, usedIn: used.get(vote.id)! }] : [],
          )
          .slice(-count)
      }),
    news: async (step) =>
      around('news', (): VoteNews => {
        clock += 3_000
        const { votes, withdrawn, settledUntil } = people(log)
        const used = usedIn()
        const cast = votes.filter(({ id }) => (used.get(id) ?? Infinity) > step)
        return { cast, withdrawn, settledUntil, excluded: [], next: NO_NEWS }
      }),
    logged: async (after) =>
      around('logged', () =>
        log.steps
          .filter(({ step }) => step > after)
          .map(({ step, final, digest, excluded, receipts }): LoggedStep => ({
            ...{ step, final, digest, excluded: [...excluded], checkpoint: null },
            votes: receipts.map(({ feedbackId }) => feedbackId),
          })),
      ),
    commit: async (step) => {
      demandStanding(step.receipts.map(({ feedbackId }) => feedbackId))
      change('commit', { committed: step })
    },
    undo: async (step) => change('undo', { undone: step }),
    rewrite: async (step) => change('rewrite', { rewritten: step }),
    resave: () => Promise.reject(new Error('no final step is made again here')),
    async finalise(states) {
      const { step } = states.at(-1)!
      const ending = log.steps.filter((one) => !one.final && one.step <= step)
      demandStanding(ending.flatMap((one) => one.receipts.map((r) => r.feedbackId)))
      const checkpoints: { step: number; hash: string }[] = []
      for (const one of states) {
        around('save', () => undefined)
        checkpoints.push({ step: one.step, hash: await store.save(one.state) })
      }
      change('finalise', { final: { step, checkpoints } })
    },
    evaluations: async () => [],
    evaluated: async () => undefined,
    stateOf: async () => null,
    probe: async () => null,
    tellProbe: async () => around('tellProbe', () => undefined),
    quiet: async () => undefined,
    warn: async () => around('warn', () => undefined),
  }
}

/**
 * Two people vote on every answer: one by its vowels, as soon as a step has been made since it was shown (on the first
 * ones at once); one a step later, by its length. Two steps later a vote can no longer be withdrawn. @param atOnce
 * neither waits for a step
 */
export const twoPeople =
  (epochs: number, atOnce = false): People =>
  ({ samples, steps }) => ({
    votes: [...samples.values()].flatMap((sample, i) => {
      const vote = (rater: string, after: number, seq: number, taste: number): SettledVote[] =>
        atOnce || steps.length >= after ? [voteOn(sample, { rater, seq, at: after, taste })] : []
      const soon = sample.step === 1 ? 0 : sample.step
      return [
        ...vote('prompt', soon, 2 * i, shareOfVowels(sample.response)),
        ...vote('late', soon + 1, 2 * i + 1, Math.min(1, sample.response.length / 200)),
      ]
    }),
    withdrawn: [],
    settledUntil: steps.length >= epochs ? Infinity : steps.length - 2,
  })

/** A vote on a shown answer. @param at when it was cast, on whatever scale `settledUntil` has */
export const voteOn = (
  { id, prompt, response }: ShownSample,
  { rater, seq, at, taste }: { rater: string; seq: number; at: number; taste: number },
): SettledVote => ({
  ...{ id: `${rater}/${id}`, sampleId: id, prompt, response, raterId: rater, seq, at },
  origin: 'rollout',
  ownQuestion: false,
  late: false,
  rating: 1 + 9 * taste,
  categories: [{ name: 'helpfulness', score: 1 + 9 * taste, weight: 1 }],
  compassion: taste,
  usedIn: null,
  source: null,
})

/** A death of this process. */
export const killed = (): Interrupted => new Interrupted('taken-away')
