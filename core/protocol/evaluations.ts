/** A run's answers to prompts that it does not train on. */
import { z } from 'zod'
import { SessionId, unit } from './pieces.ts'

/** How a run's weights did on prompts that it does not train on. */
export const Evaluation = z.object({
  sessionId: SessionId,
  /** 0: before training. */
  step: z.int(),
  policyVersion: z.int(),
  /** By their names in docs/METRICS.md, `eval/…`. */
  metrics: z.record(z.string(), z.number()),
  /** Predicted scores by head of the reward model: rating, compassion, `category/…`. */
  heads: z.record(z.string(), z.object({ mean: unit, error: z.number() })),
  /** Beside the best evaluation before it, by one reward model: difference of the values; null: it is the first. */
  against: z.object({ step: z.int(), difference: z.number(), error: z.number() }).nullable(),
  /** Worse than the best beyond chance and tolerance. */
  regressed: z.boolean(),
  /**
   * This step: the run's current weights answer from then on. An earlier one: its weights answer until an evaluation is
   * good again, since the gate holds the current ones back.
   */
  shows: z.int(),
  /** The run was taken back to before this step. */
  setAside: z.boolean(),
  timestamp: z.iso.datetime(),
})
export type Evaluation = z.infer<typeof Evaluation>

/** One answer of an evaluation, beside the reference's to the same prompt by the same random numbers. */
export const EvaluationAnswer = z.object({
  prompt: z.string(),
  answer: z.string(),
  /** Predicted by the reward model of that time. */
  value: unit,
  /** null: the run was not evaluated from its start, and the reference's answers are not known. */
  reference: z.object({ answer: z.string(), value: unit }).nullable(),
})
export type EvaluationAnswer = z.infer<typeof EvaluationAnswer>
