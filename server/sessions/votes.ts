import { randomBytes, randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { crowdOf } from '../../core/db/crowd.ts'
import { insertVote, withdrawVote } from '../../core/db/feedback.ts'
import { begunInTime } from '../../core/db/vote-begun.ts'
import { findSample, matchSample, type VotableSample } from '../../core/db/samples.ts'
import type { SessionBasics } from '../../core/db/sessions.ts'
import { AttuneError } from '../../core/errors.ts'
import { categoryWeight, compassion, mix, quality } from '../../core/votes/value.ts'
import { demand, type Caller } from '../../core/permissions.ts'
import type { AckData, HumanFeedback, MyVote, ParsedVote } from '../../core/protocol/index.ts'
import { joined } from './admittance.ts'
import { demandAdmitted } from './raters.ts'
import { hasEnded } from '../../core/session-state.ts'

/**
 * Casts a vote: finds its sample, computes its value, and stores it. What is returned is in
 * Postgres (rule V1); the room is notified afterwards.
 *
 * @param source where it came from (sources.ts)
 * @throws AttuneError invalid, forbidden, not-found, conflict
 */
export async function castVote(
  deps: Deps,
  caller: Caller,
  vote: ParsedVote,
  source: Buffer,
): Promise<{ ack: AckData['submit-feedback']; stored: HumanFeedback }> {
  const session = await joined(deps.pool, caller, vote.sessionId)
  if (hasEnded(session.status))
    throw new AttuneError('conflict', `the session is ${session.status}: it takes no more votes`)
  await demandAdmitted(deps, caller, vote.sessionId)
  const sample = await sampleOf(deps, vote)
  if (sample === null) demandFreeText(caller, session)
  const categories = weigh(vote.categories, session)
  const given = vote.compassion ?? vote.compassionRating
  const c = given === undefined ? null : compassion(given)
  const q = quality(vote.humanRating, categories)
  const { stored, duplicate } = await insertVote(deps.pool, {
    id: vote.id ?? randomUUID(),
    sessionId: vote.sessionId,
    sampleId: sample?.id ?? null,
    userId: caller.userId,
    kind: vote.kind,
    content: vote.content,
    inputText: sample?.prompt ?? vote.inputText,
    modelResponse: sample?.response ?? vote.modelResponse,
    humanRating: vote.humanRating,
    humanPreference: vote.humanPreference ?? null,
    categories,
    comments: vote.comments ?? null,
    tags: vote.tags,
    ethicalConcerns: vote.ethicalConcerns,
    compassionRating: c,
    compassion: vote.compassion ?? null,
    quality: q,
    value: mix(q, c, session.configuration.rewardModel.compassionWeight),
    late: sample?.status === 'closed' && !(await begunInTime(deps.pool, sample.id, caller.userId)),
    salt: randomBytes(32),
    source,
  })
  const crowd = sample === null ? null : await crowdOf(deps.pool, sample.id)
  if (!duplicate)
    deps.tallies.changed('feedback-received', {
      sessionId: vote.sessionId,
      sampleId: stored.sampleId,
      userId: caller.userId,
      mine: mineOf(stored),
    })
  return {
    ack: {
      id: stored.id,
      sampleId: stored.sampleId,
      value: stored.value,
      crowd,
      duplicate,
      ...(stored.late && { late: true as const }),
    },
    stored,
  }
}

/** @throws AttuneError forbidden */
function demandFreeText(caller: Caller, { configuration }: SessionBasics): void {
  demand(caller, 'vote:free')
  // Sessions that are older than the setting allow them.
  if (configuration.live.freeTexts === false) {
    throw new AttuneError('forbidden', 'this session takes votes on its own answers only: send the sampleId of one', {
      path: 'sampleId',
    })
  }
}

/** Withdraws a vote (rule V5). @throws AttuneError not-found, conflict */
export async function takeBack(deps: Deps, caller: Caller, id: string): Promise<AckData['withdraw-feedback']> {
  const { sessionId, sampleId, changed } = await withdrawVote(deps.pool, id, caller.userId)
  if (changed) deps.tallies.changed('feedback-withdrawn', { sessionId, sampleId, userId: caller.userId, mine: null })
  return { id }
}

/**
 * The sample that a vote is on; null for a text that the session never produced. Only complete samples of this
 * session count (rule V4).
 */
async function sampleOf(deps: Deps, vote: ParsedVote): Promise<VotableSample | null> {
  if (vote.sampleId === undefined) return matchSample(deps.pool, vote.sessionId, vote.inputText, vote.modelResponse)
  const sample = await findSample(deps.pool, vote.sessionId, vote.sampleId)
  if (sample === null) throw new AttuneError('not-found', 'this session has no such sample', { path: 'sampleId' })
  if (sample.status !== 'open' && sample.status !== 'closed') {
    throw new AttuneError('conflict', `the sample is ${sample.status}: it takes no votes`, { path: 'sampleId' })
  }
  return sample
}

/**
 * The categories with the weights that count: the session's, or, if categories are free, the rater's. @throws
 * AttuneError invalid
 */
function weigh(sent: ParsedVote['categories'], { configuration }: SessionBasics): ParsedVote['categories'] {
  const { categories, freeCategories } = configuration.live
  const weights = Object.fromEntries(categories.map(({ name, weight }) => [name, weight]))
  const seen = new Set<string>()
  return sent.map(({ name, score, weight }, index) => {
    const path = `categories.${index}.name`
    if (seen.has(name)) throw new AttuneError('invalid', `${name} is scored twice`, { path })
    if (!freeCategories && !Object.hasOwn(weights, name)) {
      throw new AttuneError(
        'invalid',
        `this session has no category ${name}; it has ${Object.keys(weights).join(', ') || 'none'}`,
        { path },
      )
    }
    seen.add(name)
    return { name, score, weight: categoryWeight(name, weight, { categories: weights, freeCategories }) }
  })
}

const mineOf = ({ id, humanRating, compassionRating }: HumanFeedback): MyVote => ({
  feedbackId: id,
  humanRating,
  compassionRating,
})
