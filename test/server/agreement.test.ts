/** How well a run's raters agree, as its owner reads it. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { latestVotesOf } from '../../core/db/agreement.ts'
import { permissionsOf, type Caller } from '../../core/permissions.ts'
import { Agreement, limits, PowerQuery, type HumanFeedback, type SignedIn } from '../../core/protocol/index.ts'
import { krippendorffAlpha } from '../../core/votes/agreement/krippendorff.ts'
import { readAgreement } from '../../server/sessions/agreement.ts'
import { addSample, admin, ask, call, guest, request, useServer, useWorld, vote } from './attune.ts'
import { crowded, elsewhere } from './invited.ts'

const world = useWorld()
const server = useServer(world, crowded)
let boss: SignedIn
beforeAll(async () => {
  boss = await admin(server)
})

/** A run of the administrator's, or of somebody else's. */
const startRun = async (token = boss.token) =>
  (
    await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
      token,
      body: { modelId: 'demo', configuration: { live: { categories: [{ name: 'clarity', weight: 1 }] } } },
    })
  ).sessionId
const agreementOf = (sessionId: string, token = boss.token, query = '') =>
  ask<Agreement>(server, 'GET', `/api/training/${sessionId}/agreement${query}`, { token })
const close = (ids: readonly string[]) =>
  world.pool.query(`update samples set status = 'closed', closed_at = clock_timestamp() where id = any($1)`, [ids])

/** Everybody's votes on new answers, which are open: `table[person][answer]`; null: none. Returns people and answers. */
async function voteOn(sessionId: string, table: readonly (readonly (number | null)[])[]) {
  const answers = await Promise.all((table[0] ?? []).map(() => addSample(world.pool, 'open', sessionId)))
  const people: SignedIn[] = []
  for (const row of table) {
    const person = await guest(server)
    people.push(person)
    for (const [i, rating] of row.entries()) {
      if (rating !== null) await cast(person, sessionId, answers[i], rating)
    }
  }
  return { people, answers }
}
const cast = (person: SignedIn, sessionId: string, sampleId: string | undefined, humanRating: number, more = {}) =>
  ask<HumanFeedback>(server, 'POST', '/api/feedback', {
    token: person.token,
    headers: elsewhere(),
    body: vote(sampleId, {
      sessionId,
      humanRating,
      categories: [{ name: 'clarity', score: 11 - humanRating }],
      compassionRating: (humanRating - 1) / 9,
      ...more,
    }),
  })

/** Three people and twelve answers, on one of which they divide. */
const table = [
  [9, 2, 8, 3, 7, 4, 9, 1, 6, 5, 8, 10],
  [8, 3, 8, 2, 7, 5, 10, 2, 6, 4, 9, 1],
  [9, 2, 7, 3, 6, 4, 9, 1, 7, 5, 8, null],
]

test('the owner reads the published measures of the votes: of the rating, of each category and of compassion', async () => {
  const sessionId = await startRun()
  const { people } = await voteOn(sessionId, table)
  const { categories, votes, fragility } = await agreementOf(sessionId)
  expect(votes).toBe(35)
  expect(categories.map(({ name, headline }) => [name, headline])).toEqual([
    ['rating', 'alphaOrdinal'],
    ['clarity', 'alphaOrdinal'],
    ['compassion', 'alphaInterval'],
  ])
  for (const category of categories)
    expect(category).toMatchObject({ votes: 35, raters: people.length, answers: 12, guideline: null })
  const [rating, clarity, compassion] = categories
  expect(rating?.estimates.alphaOrdinal.value).toBeCloseTo(krippendorffAlpha(table, 'ordinal') ?? NaN, 9)
  // The scale the other way round is as far from agreement.
  expect(clarity?.estimates.alphaOrdinal.value).toBeCloseTo(krippendorffAlpha(table, 'ordinal') ?? NaN, 9)
  expect(compassion?.estimates.alphaInterval.value).toBeCloseTo(krippendorffAlpha(table, 'interval') ?? NaN, 3)
  // By hand: it takes 3, 3, 2, 2, 1, 1, 3, 3, 1, 1 and 2 votes to turn the first eleven; the last is in the middle.
  expect(fragility).toEqual({ decided: 11, undecided: 1, byOneVote: 4 / 11, medianVotes: 2 })
})

test('S3: its owner and administrators read it, nobody else; each with the right code', async () => {
  const [owner, other] = await Promise.all(
    ['an owner', 'another owner'].map(async (username) => {
      const account = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
        body: { username, password: 'long enough' },
      })
      await ask(server, 'POST', '/api/auth/role', { token: boss.token, body: { username, role: 'trainer' } })
      return account
    }),
  )
  const sessionId = await startRun(owner?.token)
  const path = `/api/training/${sessionId}/agreement`
  await request(server, 'GET', path, { token: (await guest(server)).token }).expect(403)
  await request(server, 'GET', path, { token: other?.token ?? '' }).expect(403)
  await request(server, 'GET', path).expect(401)
  await request(server, 'GET', '/api/training/no-such-run/agreement', { token: boss.token }).expect(404)
  for (const token of [owner?.token, boss.token]) {
    const found = await agreementOf(sessionId, token)
    expect(found.categories.map(({ verdict }) => verdict)).toEqual(['unrated', 'unrated', 'unrated'])
    expect(found.power.measured).toBe(false)
  }
})

test('votes that don’t say how people agree are not read: withdrawn, late, excluded, on texts, of other runs', async () => {
  const [sessionId, elsewhere] = await Promise.all([startRun(), startRun()])
  const { people, answers } = await voteOn(sessionId, [[9, 2], [8, 3], [7, 1], [null, null]]) // prettier-ignore
  const [ann, , cleo, dora] = people
  if (ann === undefined || cleo === undefined || dora === undefined) throw new Error('four people are needed')
  await voteOn(elsewhere, [[5], [6]])
  const withdrawn = await cast(dora, sessionId, answers[0], 1)
  await ask(server, 'DELETE', `/api/feedback/${withdrawn.id}`, { token: dora.token })
  await cast(boss, sessionId, undefined, 1, { inputText: 'a question', modelResponse: 'an answer of nobody' })
  await ask(server, 'POST', `/api/training/${sessionId}/raters/${cleo.user.userId}/exclude`, {
    token: boss.token,
    body: { reason: 'a test' },
  })
  await close(answers)
  await cast(dora, sessionId, answers[1], 10)
  const votes = await latestVotesOf(world.pool, sessionId, 100)
  expect(votes.map(({ rating }) => rating)).toEqual([9, 2, 8, 3])
  expect(votes[0]).toMatchObject({
    raterId: ann.user.userId,
    sampleId: answers[0],
    compassion: expect.closeTo(8 / 9, 9) as number,
  })
  // The latest ones, in their order.
  expect((await latestVotesOf(world.pool, sessionId, 3)).map(({ rating }) => rating)).toEqual([2, 8, 3])
  expect((await agreementOf(sessionId)).votes).toBe(4)
})

test('V3: what divides people is shown once the reader may know it: they have voted on it, or voting has closed for them', async () => {
  const sessionId = await startRun()
  const { answers } = await voteOn(sessionId, [...table, [null, null, null, null, null, null, null, null, null, null, null, 9]]) // prettier-ignore
  const divided = answers[11] ?? ''
  const shown = async () => (await agreementOf(sessionId)).dividing.map(({ sampleId }) => sampleId)
  expect(await shown()).toEqual([])
  await close(answers)
  const dividing = (await agreementOf(sessionId)).dividing
  expect(dividing).toHaveLength(5)
  expect(dividing[0]).toMatchObject({ sampleId: divided, response: `answer ${divided}`, votes: 3, beyondChance: true })
  // A vote that the reader began in time, and may still cast.
  await world.pool.query('insert into vote_begun (sample_id, user_id) values ($1, $2)', [divided, boss.user.userId])
  expect(await shown()).not.toContain(divided)
  await world.pool.query(`update samples set status = 'open' where id = $1`, [divided])
  await cast(boss, sessionId, divided, 5)
  expect((await shown())[0]).toBe(divided)
})

test('the time it takes is by what is measured, or by what the query says, which is read strictly', async () => {
  const sessionId = await startRun()
  await voteOn(sessionId, table)
  const { power } = await agreementOf(sessionId)
  expect(power).toMatchObject({ people: 3, halfWidth: 0.05, measured: true })
  expect(power.votesPerAnswer).toBeCloseTo(35 / 12, 9)
  const more = (await agreementOf(sessionId, boss.token, '?people=30&votesPerMinute=2&halfWidth=0.1')).power
  expect(more).toMatchObject({ people: 30, votesPerMinute: 2, halfWidth: 0.1, betweenRaters: power.betweenRaters })
  expect(more.answers).toBeLessThan(power.answers)
  for (const query of ['people=0', 'people=many', 'halfWidth=0', 'votesPerMinute=1000', 'votes=3']) {
    const { status, body } = await call(server, 'GET', `/api/training/${sessionId}/agreement?${query}`, {
      token: boss.token,
    })
    expect([status, body]).toMatchObject([400, { error: 'invalid', path: query.split('=')[0] }])
  }
})

test('however many ask, votes are read once at a time, and again a little later', async () => {
  const sessionId = await startRun()
  const { answers } = await voteOn(sessionId, table)
  let reads = 0
  const pool = new Proxy(world.pool, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'query') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return (sql: string, values: unknown[]) => {
        if (sql.includes('human_rating')) reads++
        return target.query(sql, values)
      }
    },
  })
  const caller: Caller = {
    ...{ userId: boss.user.userId, username: 'admin', role: 'admin', guest: false, walletAddress: null },
    permissions: permissionsOf('admin', false),
  }
  const read = () => readAgreement({ pool }, caller, sessionId, PowerQuery.parse({}))
  const began = performance.now()
  const found = await Promise.all(Array.from({ length: 8 }, read))
  expect(reads).toBe(1)
  for (const one of found) expect(one).toEqual(found[0])
  expect(Agreement.parse(found[0])).toEqual(found[0])
  await cast(boss, sessionId, answers[0], 5, { id: randomUUID() })
  while ((await read()).votes !== 36) await sleep(100)
  expect(reads).toBeGreaterThan(1)
  expect(reads).toBeLessThanOrEqual(1 + (performance.now() - began) / limits.agreement.everyMs)
})
