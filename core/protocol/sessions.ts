/** A training session: its state, its metrics, its raters, and the snapshot of it. */
import { z } from 'zod'
import { Seq, SessionId, Uuid, unit } from './pieces.ts'
import { TrainingConfig } from './configuration.ts'
import { limits } from './limits.ts'
import { Evaluation } from './evaluations.ts'
import { Sample } from './samples.ts'
import { Receipt } from './votes.ts'
import { Bounty } from './rewards.ts'

export const SessionStatus = z.enum(['pending', 'active', 'paused', 'completed', 'failed'])
export type SessionStatus = z.infer<typeof SessionStatus>

/** Metric name → value; docs/METRICS.md has each one's meaning and unit (rule T4). */
export const TrainingMetrics = z.record(z.string(), z.number())
export type TrainingMetrics = z.infer<typeof TrainingMetrics>

export const TrainingSession = z.object({
  id: SessionId,
  title: z.string(),
  modelId: z.string(),
  userId: Uuid,
  status: SessionStatus,
  startTime: z.iso.datetime(),
  endTime: z.iso.datetime().nullable(),
  totalSteps: z.int(),
  currentStep: z.int(),
  policyVersion: z.int(),
  metrics: TrainingMetrics,
  configuration: TrainingConfig,
  error: z.string().nullable(),
  /** Why the run paused by itself; null if it is not paused, or a person paused it. */
  pauseReason: z.string().nullable(),
  /** Its position among the runs that wait for a trainer's slot (1: next); null: it has one, or needs none. */
  queue: z.object({ position: z.int() }).nullable().default(null),
  /** Contributions of this session that are on the chain. */
  blockchain: z.object({ recorded: z.int(), lastEpoch: z.int().nullable() }),
})
export type TrainingSession = z.infer<typeof TrainingSession>

export const StepMetrics = z.object({ step: z.int(), metrics: TrainingMetrics, timestamp: z.iso.datetime() })
export type StepMetrics = z.infer<typeof StepMetrics>

/** A run's warning: its crowd and its researcher see it, and later arrivals find it in the snapshot. */
export const RunWarning = z.object({
  sessionId: SessionId,
  step: z.int(),
  kind: z.enum([
    'checkpoint-lost',
    'step-remade',
    'reward-level',
    'reward-order',
    'length',
    'repetition',
    'regulars',
    'no-update',
    'waits-for-withdrawals',
    'regression',
    'rolled-back',
  ]),
  /** A sentence for people. */
  message: z.string(),
  timestamp: z.iso.datetime(),
})
export type RunWarning = z.infer<typeof RunWarning>

/** One prompt of a run, always the same: what the reference answers, and what the policy did after a step. */
export const Probe = z.object({ prompt: z.string(), before: z.string(), now: z.string(), step: z.int() })
export type Probe = z.infer<typeof Probe>

/** A rater in a session, as its owner sees them. */
export const Rater = z.object({
  userId: Uuid,
  username: z.string(),
  guest: z.boolean(),
  /** The label of the first invitation that they came by; null: they came by none. */
  invite: z.string().nullable(),
  /** Standing ones. */
  votes: z.int(),
  lastVoteAt: z.iso.datetime(),
  /** ρ and n, as the next step would have them. */
  reliability: unit,
  comparable: z.int(),
  /** n ≥ 8 and ρ ≥ 0.3: not a stranger to the session. */
  known: z.boolean(),
  /** Their share of the total weight of votes in the reward model's fit. */
  share: unit,
  /** The index of their taste among the run's; 0 is the largest, and whoever is new is of it. */
  taste: z.int().min(0),
  /** Their taste only opposes the largest: it weighs nothing unless the run accepts it. */
  opposes: z.boolean(),
  /** null: not excluded. */
  excluded: z.object({ reason: z.string(), by: z.string(), at: z.iso.datetime() }).nullable(),
})
export type Rater = z.infer<typeof Rater>

/** A taste that a run has found among its raters (docs/METRICS.md). */
export const Taste = z.object({
  /** Of the people who follow one. */
  share: unit,
  /** With the largest taste, -1…1. */
  correlation: z.number().min(-1).max(1),
  opposes: z.boolean(),
  /** Who is of it. */
  raters: z.array(Uuid),
  /** The answers on which it differs most surely from the largest, most surely first. */
  dividing: z.array(z.object({ sampleId: Uuid, prompt: z.string(), response: z.string() })),
})
export type Taste = z.infer<typeof Taste>

export const Exclude = z.strictObject({
  reason: z.string().trim().min(1, 'say why: the person is told').max(limits.reasonChars),
})

export const SessionSnapshot = z.object({
  seq: Seq,
  session: TrainingSession,
  /** Oldest first. */
  samples: z.array(Sample),
  /** Oldest first. */
  steps: z.array(StepMetrics),
  /** Of the run on held-out prompts, the latest ones, oldest first. */
  evaluations: z.array(Evaluation),
  /** The reader's latest receipts, newest first. */
  receipts: z.array(Receipt),
  /** The latest ones, newest first. */
  warnings: z.array(RunWarning),
  /** null: no trainer has answered it yet. */
  probe: Probe.nullable(),
  /** Why the reader may not vote here; null: they may. */
  exclusion: z.string().nullable(),
  /** Why the reader only watches, whoever else votes: a sentence for them; absent: they may vote. */
  watches: z.string().optional(),
  /** Raters here now. */
  raters: z.int(),
  bounties: z.array(Bounty),
})
export type SessionSnapshot = z.infer<typeof SessionSnapshot>

export const StartTraining = z.object({
  modelId: z.string().min(1).max(200),
  configuration: TrainingConfig.prefault({}),
})
