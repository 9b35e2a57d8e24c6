/**
 * The rows of exports: each table's columns in their order, with what they mean. Headers, Parquet types and the data
 * card follow from these schemas. A row's `id` is where a broken download goes on (`after`).
 */
import { z } from 'zod'
import { CategoryScore } from './vote-kinds.ts'
import { Uuid, unit } from './pieces.ts'

const time = z.iso.datetime()
const origin = z.enum(['rollout', 'ask'])
const rater = z
  .string()
  .describe('Who: a pseudonym that holds within this run, or the user’s id where names were asked for')

export const ExportedPrompt = z.object({
  id: Uuid.describe('Of its first answer'),
  time: time.describe('When it was first asked'),
  prompt: z.string(),
  origin: origin.describe('rollout: a prompt of the model’s; ask: a rater’s question'),
  answers: z.int().describe('How many there are'),
  votes: z.int().describe('Standing votes on them'),
})
export type ExportedPrompt = z.infer<typeof ExportedPrompt>

export const ExportedAnswer = z.object({
  id: Uuid,
  time: time.describe('When it was made'),
  step: z
    .int()
    .describe(
      'Of a rollout, the first step that may learn from votes on it; of an answer to a question, the last step made',
    ),
  policyVersion: z.int().describe('Of the weights that answered'),
  origin: origin.describe('rollout: to a prompt of the model’s; ask: to a rater’s question'),
  prompt: z.string(),
  response: z.string(),
  crowd: unit.nullable().describe('The crowd value h by which an update used it; null: none has'),
  value: unit.nullable().describe('What its votes say, weighted: Σ w v / Σ w; null: no vote weighs anything'),
  votes: z.int().describe('Votes that count in `value`: they weigh something, and pass the filters'),
  weight: z.number().describe('Σ w of these'),
  agreement: unit.nullable().describe('1 − 2σ, σ the weighted standard deviation of these; null with fewer than two'),
  compassion: unit.nullable().describe('Weighted mean of those of these that rated it; null if none did'),
})
export type ExportedAnswer = z.infer<typeof ExportedAnswer>

export const ExportedVote = z.object({
  id: Uuid,
  seq: z.int().describe('The order in which votes were stored, over all runs'),
  time: time.describe('When it was stored'),
  at: z.number().describe('The same, milliseconds since 1970 with their fraction'),
  sampleId: Uuid.nullable().describe('The answer; null: a text that the run never produced'),
  origin: origin.nullable().describe('Where the answer came from; null without one'),
  step: z.int().nullable().describe('The step whose receipt names it, the first that learnt from it; null: none has'),
  setAside: z.boolean().describe('The run was taken back to before that step, and no longer learns from the vote'),
  rater,
  source: z.string().nullable().describe('The network that it came from, as a pseudonym; null: unknown'),
  ownQuestion: z.boolean().describe('Its author asked the question'),
  late: z.boolean().describe('Cast after voting on the answer had closed'),
  withdrawn: z.boolean(),
  excluded: z.boolean().describe('Its author is excluded from the run'),
  kind: z.string().describe('The kind of vote'),
  content: z.unknown().describe('What its author gave, of kinds other than a rating; null for a rating'),
  prompt: z.string(),
  response: z.string(),
  rating: z.number().describe('1…10'),
  categories: z.array(CategoryScore).describe('Scores 1…10, and the weights that count'),
  compassion: unit.nullable().describe('Null: its author gave none'),
  agency: unit.nullable().describe('A side of compassion, where its author gave all three'),
  capability: unit.nullable().describe('As above'),
  suffering: unit.nullable().describe('As above; the side that lowers the value'),
  preference: z.enum(['model_a', 'model_b', 'tie']).nullable(),
  tags: z.array(z.string()),
  concerns: z.array(z.string()).describe('Ethical concerns'),
  comments: z.string().nullable(),
  value: unit.describe('The vote’s value v, by the run’s weights when it was cast'),
  says: unit.nullable().describe('v once its author’s way of using the scale is taken out; null: it is not weighed'),
  weight: unit.nullable().describe('w in its answer’s value; null: withdrawn, excluded or set aside'),
  reliability: unit.nullable().describe('ρ of its author, by the votes that it was weighed with; null where weight is'),
  taste: z.int().nullable().describe('Its author’s taste, likewise; 0 is the largest'),
})
export type ExportedVote = z.infer<typeof ExportedVote>

export const ExportedReceipt = z.object({
  id: Uuid.describe('Of the vote'),
  time: time.describe('When the step was committed'),
  sampleId: Uuid.nullable(),
  rater,
  step: z.int(),
  weight: unit.describe('The vote’s share of its answer’s crowd value; 0 if it trained the reward model only'),
  reliability: unit.describe('ρ of its author in that step'),
  comparable: z.int().describe('Votes of its author by then that could be compared with others’'),
  crowd: unit.nullable().describe('The crowd value h of the answer; null if it trained the reward model only'),
  advantage: z.number().nullable().describe('Mean advantage of the answer in the update, standard deviations'),
  latencyMs: z.int().describe('From stored to the weights changed, milliseconds'),
  updated: z.boolean().describe('False: the update left every weight as it was'),
  provisional: z.boolean().describe('The step may still be undone'),
  setAside: z.boolean().describe('The run was taken back to before the step'),
  logprobBefore: z.number().nullable().describe('log π of the answer before the update, nats'),
  logprobAfter: z.number().nullable().describe('… and after it'),
})
export type ExportedReceipt = z.infer<typeof ExportedReceipt>

export const ExportedPreference = z.object({
  id: z.string().describe('chosenId, an underscore, rejectedId'),
  time: time.describe('When the later of the two answers was made'),
  prompt: z.string(),
  chosen: z.string().describe('The answer of higher value'),
  rejected: z.string(),
  margin: unit.describe('chosenValue − rejectedValue'),
  chosenValue: unit.describe('What its votes say, weighted: Σ w v / Σ w'),
  rejectedValue: unit,
  chosenVotes: z.int().describe('Votes that count in the value'),
  rejectedVotes: z.int(),
  chosenWeight: z.number().describe('Σ w of these'),
  rejectedWeight: z.number(),
  chosenId: Uuid,
  rejectedId: Uuid,
})
export type ExportedPreference = z.infer<typeof ExportedPreference>
