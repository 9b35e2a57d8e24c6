/** What each table of an export holds. */
import { beforeAll, describe, expect, test } from 'vitest'
import { castVotesOf } from '../../core/db/raters.ts'
import { usedVotes, type SettledVote } from '../../core/db/feedback.ts'
import {
  TrainingConfig,
  type ExportedAnswer,
  type ExportedPreference,
  type ExportedPrompt,
  type ExportedReceipt,
  type ExportedVote,
  type SignedIn,
} from '../../core/protocol/index.ts'
import { weigh } from '../../core/votes/weights.ts'
import { crowdOf } from '../../trainer/loop/crowd.ts'
import { preferencesOf } from '../../trainer/reward/preferences.ts'
import { admin, ask, useServer, useVotes, useWorld } from './attune.ts'
import { fetchExport, gather, rowsOf, type Gathered } from './exports-world.ts'

const world = useWorld()
const server = useServer(world, { TRUST_PROXY: '1' })
let boss: SignedIn
let run: Gathered
beforeAll(async () => {
  boss = await admin(server)
  run = await gather(world.pool, boss.user.userId, { raters: 6, answers: 40, prompts: 8 })
})

const rows = <T>(query: string, sessionId = run.sessionId) => rowsOf<T>(server, boss.token, sessionId, query)

describe('votes', () => {
  test('say all that their authors gave, in the order in which they were stored', async () => {
    const votes = await rows<ExportedVote>('votes')
    expect(votes.map(({ id }) => id)).toEqual(run.votes)
    expect(votes.map(({ seq }) => seq)).toEqual(votes.map(({ seq }) => seq).toSorted((a, b) => a - b))
    expect(votes[0]).toMatchObject({
      ...{ sampleId: run.samples[0], origin: 'rollout', step: null, setAside: false, late: false, ownQuestion: false },
      ...{ prompt: 'Prompt 0', response: 'Answer 0', kind: 'rating', content: null, compassion: null, tags: ['kind'] },
      ...{ comments: '=comment of 0', withdrawn: false, excluded: false, time: '2026-01-01T00:01:01.000Z' },
      at: Date.parse('2026-01-01T00:01:01Z') + 0.123,
      categories: [{ name: 'helpfulness', score: votes[0]!.rating, weight: 1 }],
    })
    expect(votes.every(({ rater }) => /^[0-9a-f]{24}$/.test(rater))).toBe(true)
  })

  test('have the weights that the console shows, and in CSV a column for each category', async () => {
    const cast = await castVotesOf(world.pool, run.sessionId, [])
    const { onAnswer, values, standing } = weigh(cast)
    const votes = await rows<ExportedVote>('votes')
    expect(votes.map(({ weight, says, reliability, taste }) => ({ weight, says, reliability, taste }))).toEqual(
      cast.map(({ raterId }, i) => {
        const { reliability, taste } = standing(raterId)
        return { weight: onAnswer[i], says: values[i], reliability, taste }
      }),
    )
    // Somebody who doesn't look is told from the others.
    expect(new Set(votes.map(({ reliability }) => reliability!)).size).toBe(6)
    const csv = await (await fetchExport(server, boss.token, run.sessionId, 'votes?format=csv')).text()
    const [header, first] = csv.split('\r\n')
    expect(header).toMatch(/,"taste","category_helpfulness"$/)
    expect(first).toMatch(new RegExp(`,${votes[0]!.rating}$`))
    expect(csv).toContain('"\'=comment of 0"')
  })

  test('teach a reward model what they taught it here: the training set is the same, number for number', async () => {
    const taught = await gather(world.pool, boss.user.userId, { raters: 5, answers: 24, prompts: 6 })
    await useVotes(world.pool, taught.votes.slice(0, 60), { sessionId: taught.sessionId })
    const step = await useVotes(world.pool, taught.votes.slice(60, 100), { sessionId: taught.sessionId })
    const config = TrainingConfig.parse({})
    const here = await usedVotes(world.pool, taught.sessionId, step, 1_500)
    const exported = await rows<ExportedVote>('votes', taught.sessionId)
    const there = exported
      .filter(({ step, setAside }) => step !== null && !setAside)
      .map(({ rater, step, ...vote }): SettledVote => ({ ...vote, raterId: rater, usedIn: step }))
    expect(there).toHaveLength(100)
    expect(crowdOf(config, there).lessons()).toEqual(crowdOf(config, here).lessons())
    // With whose they are, and on what: what the step made of them.
    const learnt = (votes: readonly SettledVote[]) =>
      preferencesOf(
        crowdOf(config, votes)
          .lessons()
          .map((lesson, i) => ({ ...lesson, raterId: votes[i]!.raterId, prompt: votes[i]!.prompt })),
      )
    expect(learnt(there)).toEqual(learnt(here))
    expect(learnt(here).preferences.length).toBeGreaterThan(0)
  })

  test('that were withdrawn, or are of excluded raters, come if they are asked for, and weigh nothing', async () => {
    const { sessionId, votes, raters } = await gather(world.pool, boss.user.userId, {
      raters: 3,
      answers: 4,
      prompts: 2,
    })
    await world.pool.query('update feedback set withdrawn_at = now() where id = $1', [votes[0]])
    await ask(server, 'POST', `/api/training/${sessionId}/raters/${raters[1]}/exclude`, {
      token: boss.token,
      body: { reason: 'a test' },
    })
    const ids = async (query: string) => (await rows<ExportedVote>(query, sessionId)).map(({ id }) => id)
    const excluded = votes.filter((_, i) => i % 3 === 1)
    expect(await ids('votes')).toEqual(votes.filter((id) => id !== votes[0] && !excluded.includes(id)))
    expect(await ids('votes?withdrawn=true')).toEqual(votes.filter((id) => !excluded.includes(id)))
    expect(await ids('votes?excluded=true')).toEqual(votes.filter((id) => id !== votes[0]))
    const all = await rows<ExportedVote>('votes?withdrawn=true&excluded=true', sessionId)
    expect(all.map(({ id }) => id)).toEqual(votes)
    expect(all.filter(({ weight }) => weight === null).map(({ id }) => id)).toEqual(
      votes.filter((id) => id === votes[0] || excluded.includes(id)),
    )
    expect(all.map(({ withdrawn }) => withdrawn)).toEqual(votes.map((id) => id === votes[0]))
    expect(all.map((one) => one.excluded)).toEqual(votes.map((id) => excluded.includes(id)))
  })

  test('can be narrowed by time, by their authors’ reliability and taste, and by how far the answer’s raters agree', async () => {
    const all = await rows<ExportedVote>('votes')
    const [since, until] = [all[30]!.time, all[90]!.time]
    expect(await rows(`votes?since=${since}&until=${until}`)).toEqual(
      all.filter(({ time }) => time >= since && time < until),
    )
    const some = all.map(({ reliability }) => reliability!).toSorted((a, b) => a - b)[100]!
    const reliable = await rows<ExportedVote>(`votes?minReliability=${some.toFixed(6)}`)
    expect(reliable).toEqual(all.filter(({ reliability }) => reliability! >= Number(some.toFixed(6))))
    expect(reliable.length).toBeLessThan(all.length)
    expect(await rows('votes?taste=largest')).toEqual(all.filter(({ taste }) => taste === 0))
    expect(await rows('votes?taste=others')).toEqual(all.filter(({ taste }) => taste !== 0))
    const answers = await rows<ExportedAnswer>('answers?minAgreement=0.9')
    expect(answers.length).toBeGreaterThan(0)
    expect(answers.length).toBeLessThan(run.samples.length)
    const agreed = new Set<string | null>(answers.map(({ id }) => id))
    expect(await rows('votes?minAgreement=0.9')).toEqual(all.filter(({ sampleId }) => agreed.has(sampleId)))
  })
})

describe('answers', () => {
  test('have what their votes say, weighted, and how far these agree', async () => {
    const cast = await castVotesOf(world.pool, run.sessionId, [])
    const { onAnswer, values } = weigh(cast)
    const answers = await rows<ExportedAnswer>('answers')
    expect(answers.map(({ id }) => id)).toEqual(run.samples)
    for (const answer of answers) {
      const on = cast.flatMap((vote, i) =>
        vote.sampleId === answer.id && onAnswer[i]! > 0 ? [{ w: onAnswer[i]!, v: values[i]! }] : [],
      )
      const weight = on.reduce((sum, { w }) => sum + w, 0)
      const mean = on.reduce((sum, { w, v }) => sum + w * v, 0) / weight
      const sigma = Math.sqrt(on.reduce((sum, { w, v }) => sum + w * (v - mean) ** 2, 0) / weight)
      expect(answer).toMatchObject({
        ...{ votes: on.length, weight: expect.closeTo(weight, 10), value: expect.closeTo(mean, 10) },
        agreement: expect.closeTo(1 - 2 * sigma, 10),
      })
    }
  })

  test('without votes have no value, and none is made up', async () => {
    const { sessionId, votes } = await gather(world.pool, boss.user.userId, { raters: 2, answers: 2, prompts: 1 })
    await world.pool.query('update feedback set withdrawn_at = now() where id = any($1)', [votes.slice(1)])
    expect(await rows<ExportedAnswer>('answers', sessionId)).toMatchObject([
      { votes: 1, value: expect.any(Number), agreement: null },
      { votes: 0, value: null, weight: 0, agreement: null, compassion: null },
    ])
    expect(await rows('answers?minVotes=1', sessionId)).toHaveLength(1)
    expect(await rows('answers?layout=unpaired-preference', sessionId)).toHaveLength(1)
    expect(await rows('preferences', sessionId)).toEqual([])
  })

  test('become completions if they are good, and labels if they are or not', async () => {
    const answers = await rows<ExportedAnswer>('answers')
    const good = answers.filter(({ value }) => value! >= 0.7)
    expect(await rows('answers?layout=prompt-completion&minValue=0.7')).toEqual(
      good.map(({ id, prompt, response }) => ({ prompt, completion: ` ${response}`, id })),
    )
    expect(await rows('answers?layout=language-modeling&chat=true&minValue=0.7')).toEqual(
      good.map(({ id, prompt, response }) => ({
        messages: [
          { role: 'user', content: prompt },
          { role: 'assistant', content: response },
        ],
        id,
      })),
    )
    expect(await rows('answers?layout=unpaired-preference&minValue=0.7')).toEqual(
      answers.map(({ id, prompt, response, value }) => ({
        prompt,
        completion: ` ${response}`,
        label: value! >= 0.7,
        id,
      })),
    )
  })
})

describe('preferences', () => {
  test('are all pairs of different answers to one prompt that the crowd values differently enough, the better one chosen', async () => {
    const answers = await rows<ExportedAnswer>('answers')
    const expected = answers.flatMap((later, j) =>
      answers.slice(0, j).flatMap((earlier) => {
        const margin = Math.abs(later.value! - earlier.value!)
        if (later.prompt !== earlier.prompt || margin < 0.2) return []
        const [chosen, rejected] = later.value! > earlier.value! ? [later, earlier] : [earlier, later]
        return [
          {
            ...{
              id: `${chosen.id}_${rejected.id}`,
              time: later.time,
              prompt: later.prompt,
              margin: expect.closeTo(margin, 10),
            },
            ...{ chosen: chosen.response, rejected: rejected.response, chosenId: chosen.id, rejectedId: rejected.id },
            ...{ chosenValue: chosen.value, rejectedValue: rejected.value },
            ...{ chosenVotes: chosen.votes, rejectedVotes: rejected.votes },
            ...{ chosenWeight: chosen.weight, rejectedWeight: rejected.weight },
          },
        ]
      }),
    )
    // Of the eighty pairs that there are.
    expect(expected.length).toBeGreaterThan(8)
    expect(expected.length).toBeLessThan(80)
    expect(await rows<ExportedPreference>('preferences?minMargin=0.2')).toEqual(expected)
    expect(await rows('preferences?layout=preference&minMargin=0.2')).toEqual(
      expected.map(({ id, prompt, chosen, rejected }) => ({
        prompt,
        chosen: ` ${chosen}`,
        rejected: ` ${rejected}`,
        id,
      })),
    )
  })

  test('want votes on both sides, at least as many as are asked for', async () => {
    const { sessionId, votes } = await gather(world.pool, boss.user.userId, { raters: 3, answers: 6, prompts: 1 })
    const all = await rows<ExportedPreference>('preferences?minMargin=0', sessionId)
    await world.pool.query('update feedback set withdrawn_at = now() where id = $1', [votes[0]])
    const some = await rows<ExportedPreference>('preferences?minMargin=0&minVotes=3', sessionId)
    expect(some.length).toBeLessThan(all.length)
    expect(some.every(({ chosenVotes, rejectedVotes }) => chosenVotes === 3 && rejectedVotes === 3)).toBe(true)
    expect(await rows('preferences?minVotes=4', sessionId)).toEqual([])
  })

  test('never prefer a text to itself', async () => {
    const { sessionId, samples } = await gather(world.pool, boss.user.userId, { raters: 3, answers: 4, prompts: 1 })
    await world.pool.query(`update samples set response = 'the same' where id = any($1)`, [samples.slice(0, 2)])
    const pairs = await rows<ExportedPreference>('preferences?minMargin=0', sessionId)
    expect(pairs.length).toBeGreaterThan(0)
    expect(pairs.filter(({ chosen, rejected }) => chosen === rejected)).toEqual([])
  })
})

test('prompts come once each, with how much was answered and voted', async () => {
  expect(await rows<ExportedPrompt>('prompts')).toEqual(
    Array.from({ length: 8 }, (_, i) => ({
      ...{ id: run.samples[i], prompt: `Prompt ${i}`, origin: 'rollout', answers: 5, votes: 30 },
      time: new Date(Date.UTC(2026, 0, 1, 0, i + 1)).toISOString(),
    })),
  )
  expect(await rows('prompts?layout=prompt-only&chat=true')).toContainEqual({
    prompt: [{ role: 'user', content: 'Prompt 3' }],
    id: run.samples[3],
  })
})

test('receipts say what came of the votes', async () => {
  const { sessionId, votes } = await gather(world.pool, boss.user.userId, { raters: 2, answers: 3, prompts: 1 })
  const step = await useVotes(world.pool, votes.slice(0, 2), { sessionId, reliability: 0.4 })
  await useVotes(world.pool, votes.slice(2, 4), { sessionId, reliability: 0.8, advantage: -0.25 })
  const receipts = await rows<ExportedReceipt>('receipts', sessionId)
  expect(receipts.map(({ id }) => id)).toEqual(votes.slice(0, 4))
  expect(receipts[0]).toMatchObject({ step, weight: 0.5, reliability: 0.4, provisional: false, setAside: false })
  expect(receipts[2]).toMatchObject({ step: step + 1, reliability: 0.8, advantage: -0.25, logprobBefore: null })
  expect(await rows('receipts?minReliability=0.5', sessionId)).toEqual(receipts.slice(2))
  const steps = (await rows<ExportedVote>('votes', sessionId)).map((one) => one.step)
  expect(steps).toEqual([step, step, step + 1, step + 1, null, null])
})
