/** Who is in an export, and by what name. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { ExportedReceipt, ExportedVote, SignedIn } from '../../core/protocol/index.ts'
import { admin, ask, guest, useServer, useVotes, useWorld, vote } from './attune.ts'
import { fetchExport, gather, rowsOf, type Gathered } from './exports-world.ts'

const world = useWorld()
const server = useServer(world, { TRUST_PROXY: '1' })
let boss: SignedIn
beforeAll(async () => {
  boss = await admin(server)
})

const rows = <T>(query: string, sessionId: string) => rowsOf<T>(server, boss.token, sessionId, query)

describe('people', () => {
  test('have one pseudonym in all of a session’s exports, and another in another session; networks likewise', async () => {
    const [ann, ben] = [await guest(server), await guest(server)]
    const other = await gather(world.pool, boss.user.userId, { raters: 1, answers: 2, prompts: 1 })
    const here = await gather(world.pool, boss.user.userId, { raters: 1, answers: 2, prompts: 1 })
    for (const { token } of [ann, ben])
      for (const { sessionId, samples } of [here, other])
        for (const sampleId of samples) {
          await world.pool.query(`update samples set status = 'open' where id = $1`, [sampleId])
          await ask(server, 'POST', '/api/feedback', { token, body: vote(sampleId, { sessionId }) })
        }
    const theirs = async ({ sessionId }: Gathered) =>
      (await rows<ExportedVote>('votes', sessionId)).slice(2).map(({ rater, source }) => ({ rater, source }))
    const [first, again, elsewhere] = [await theirs(here), await theirs(here), await theirs(other)]
    expect(again).toEqual(first)
    const [a, , b] = first
    expect(first).toEqual([a, a, b, b])
    expect(a!.rater).not.toBe(b!.rater)
    expect(a!.source).toBe(b!.source)
    const known = [...first, ...elsewhere].flatMap(({ rater, source }) => [rater, source])
    expect(new Set(known).size).toBe(6)
    await useVotes(
      world.pool,
      (await rows<ExportedVote>('votes', here.sessionId)).map(({ id }) => id),
      here,
    )
    expect((await rows<ExportedReceipt>('receipts', here.sessionId)).slice(2).map(({ rater }) => rater)).toEqual(
      first.map(({ rater }) => rater),
    )
    const text = await (await fetchExport(server, boss.token, here.sessionId, 'votes')).text()
    expect(text).not.toContain(ann.user.userId)
    expect(await rows('votes?names=true', here.sessionId)).toEqual(
      expect.arrayContaining([expect.objectContaining({ rater: ann.user.userId, raterName: ann.user.username })]),
    )
  })

  test('S4: who is erased is in no export: not what they voted, not what they asked, nor what was said to that', async () => {
    const ann = await guest(server)
    const { sessionId, samples, raters } = await gather(world.pool, boss.user.userId, {
      raters: 2,
      answers: 3,
      prompts: 1,
    })
    await world.pool.query(`update samples set status = 'open' where id = $1`, [samples[0]])
    await ask(server, 'POST', '/api/feedback', {
      token: ann.token,
      body: vote(samples[0], { sessionId, comments: 'a word of Ann', tags: ['ann’s tag'] }),
    })
    const { sampleId } = await ask<{ sampleId: string }>(server, 'POST', `/api/training/${sessionId}/ask`, {
      token: ann.token,
      body: { prompt: 'What Ann asked' },
    })
    await world.pool.query(`update samples set status = 'open', response = 'What Ann was told' where id = $1`, [
      sampleId,
    ])
    await world.pool.query(
      `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, quality, value, salt)
       select gen_random_uuid(), $1, $2, $3, 'What Ann asked', 'What Ann was told', 5, 0.5, 0.5, $4`,
      [sessionId, sampleId, raters[0], Buffer.alloc(32, 1)],
    )
    const ids = (await rows<ExportedVote>('votes', sessionId)).map(({ id }) => id)
    await useVotes(world.pool, ids, { sessionId })
    const everything = async () => {
      let all = ''
      for (const query of [
        ...['votes?withdrawn=true&names=true', 'answers', 'prompts', 'receipts?names=true', 'preferences?minMargin=0'],
        'answers?layout=unpaired-preference',
      ])
        all += await (await fetchExport(server, boss.token, sessionId, query)).text()
      return all
    }
    const before = await everything()
    for (const theirs of ['a word of Ann', 'ann’s tag', 'What Ann asked', 'What Ann was told', ann.user.userId])
      expect(before).toContain(theirs)
    await ask(server, 'DELETE', '/api/auth/me', { token: ann.token })
    const after = await everything()
    for (const theirs of ['a word of Ann', 'ann’s tag', 'Ann', 'erased', ann.user.userId, sampleId])
      expect(after).not.toContain(theirs)
    expect(await rows('votes?withdrawn=true', sessionId)).toHaveLength(6)
    expect(await rows('receipts', sessionId)).toHaveLength(6)
  })
})
