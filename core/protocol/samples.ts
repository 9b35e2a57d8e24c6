/** The policy's answers, as a room sees them. */
import { z } from 'zod'
import { SessionId, Uuid, unit } from './pieces.ts'

/** A sample's votes, aggregated; null until the reader has voted or voting has closed (rule V3). */
export const CrowdValue = z.object({
  /** Mean vote value; null with no votes. How the update used it, with reliabilities, is in the receipt. */
  value: unit.nullable(),
  /** Mean compassion of those votes that rated it; null if none did. */
  compassion: unit.nullable(),
  votes: z.int(),
})
export type CrowdValue = z.infer<typeof CrowdValue>

export const SampleStatus = z.enum(['queued', 'streaming', 'open', 'closed', 'failed'])
export type SampleStatus = z.infer<typeof SampleStatus>

/** A reader's own standing vote on a sample. */
export const MyVote = z.object({ feedbackId: Uuid, humanRating: z.number(), compassionRating: unit.nullable() })
export type MyVote = z.infer<typeof MyVote>

export const Sample = z.object({
  id: Uuid,
  sessionId: SessionId,
  step: z.int(),
  origin: z.enum(['rollout', 'ask']),
  prompt: z.string(),
  response: z.string(),
  policyVersion: z.int(),
  status: SampleStatus,
  crowd: CrowdValue.nullable(),
  /** The reader's own standing vote on it. */
  mine: MyVote.nullable(),
  timestamp: z.iso.datetime(),
})
export type Sample = z.infer<typeof Sample>
