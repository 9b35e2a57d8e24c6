/** What a run gathered leaves it as the file that is asked for. */
import { parquetReadObjects } from 'hyparquet'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { ExportedPreference, ExportedVote, SignedIn } from '../../core/protocol/index.ts'
import { admin, ask, call, guest, useServer, useVotes, useWorld } from './attune.ts'
import { fetchExport, gather, linesOf, rowsOf, type Gathered } from './exports-world.ts'

const world = useWorld()
const server = useServer(world, { TRUST_PROXY: '1' })
let boss: SignedIn
let run: Gathered
beforeAll(async () => {
  boss = await admin(server)
  run = await gather(world.pool, boss.user.userId, { raters: 6, answers: 40, prompts: 8 })
})

const rows = <T>(query: string, sessionId = run.sessionId) => rowsOf<T>(server, boss.token, sessionId, query)
const refusal = async (query: string, sessionId = run.sessionId) => {
  const response = await fetchExport(server, boss.token, sessionId, query)
  return { status: response.status, body: (await response.json()) as object }
}

describe('a run’s data', () => {
  const accountOf = async (role: string) => {
    const username = `${role} ${Math.random()}`
    const password = 'a password of theirs'
    const account = await ask<SignedIn>(server, 'POST', '/api/auth/register', { body: { username, password } })
    await world.pool.query('update users set role = $2 where id = $1', [account.user.userId, role])
    return ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username, password } })
  }

  test('are its owner’s and its reviewers’; names are its owner’s', async () => {
    const [owner, other, reviewer] = [
      await accountOf('trainer'),
      await accountOf('trainer'),
      await accountOf('validator'),
    ]
    const { sessionId } = await gather(world.pool, owner.user.userId, { raters: 1, answers: 1, prompts: 1 })
    const statusOf = async (token: string, query: string) => (await fetchExport(server, token, sessionId, query)).status
    expect(await statusOf(owner.token, 'votes?names=true')).toBe(200)
    expect(await statusOf(boss.token, 'votes?names=true')).toBe(200)
    expect(await statusOf(reviewer.token, 'votes')).toBe(200)
    expect(await statusOf(reviewer.token, 'votes?names=true')).toBe(403)
    expect(await statusOf(reviewer.token, 'receipts?names=true')).toBe(403)
    for (const query of ['votes', 'answers?format=parquet', 'preferences?format=card']) {
      expect(await statusOf(other.token, query)).toBe(403)
      expect(await statusOf((await guest(server)).token, query)).toBe(403)
    }
    expect((await call(server, 'GET', `/api/training/${sessionId}/export/votes`)).status).toBe(401)
    expect((await fetchExport(server, boss.token, 'nowhere', 'votes')).status).toBe(404)
  })

  test('come as the files that are asked for', async () => {
    const head = async (query: string, method = 'GET') => {
      const response = await fetchExport(server, boss.token, run.sessionId, query, { method })
      const body = await response.text()
      const { headers } = response
      return [response.status, headers.get('content-type'), headers.get('content-disposition'), body.length > 0]
    }
    const name = `attachment; filename="attune-${run.sessionId}`
    expect(await head('votes')).toEqual([200, 'application/x-ndjson; charset=utf-8', `${name}-votes.jsonl"`, true])
    expect(await head('answers?format=csv')).toEqual([
      ...[200, 'text/csv; charset=utf-8; header=present', `${name}-answers.csv"`, true],
    ])
    expect(await head('preferences?format=parquet&layout=preference')).toEqual([
      ...[200, 'application/vnd.apache.parquet', `${name}-preferences-preference.parquet"`, true],
    ])
    expect(await head('prompts?format=card')).toEqual([
      ...[200, 'text/markdown; charset=utf-8', 'attachment; filename="README.md"', true],
    ])
    expect(await head('votes', 'HEAD')).toEqual([
      ...[200, 'application/x-ndjson; charset=utf-8', `${name}-votes.jsonl"`, false],
    ])
  })

  test('are refused where the request makes no sense, with the field', async () => {
    for (const [query, path] of [
      ['models', 'table'],
      ['votes?format=xml', 'format'],
      ['votes?layout=preference', 'layout'],
      ['votes?minMargin=0.5', 'minMargin'],
      ['preferences?layout=preference&chat=true&format=csv', 'chat'],
      ['votes?since=now', 'since'],
      ['votes?colour=red', 'colour'],
      ['votes?minReliability=0.5&minReliability=0.6', 'minReliability'],
    ] as const)
      expect(await refusal(query)).toMatchObject({ status: 400, body: { error: 'invalid', path } })
    const nobody = '00000000-0000-4000-8000-000000000000'
    for (const query of [
      `votes?after=${nobody}`,
      `answers?after=${run.votes[0]}`,
      `preferences?after=${nobody}_${nobody}`,
    ])
      expect(await refusal(query)).toMatchObject({ status: 404, body: { path: 'after' } })
  })

  test('of a run without any are files without rows', async () => {
    const { sessionId } = await gather(world.pool, boss.user.userId, { raters: 1, answers: 0, prompts: 1 })
    for (const table of ['votes', 'answers', 'prompts', 'receipts', 'preferences']) {
      expect(await rows(table, sessionId)).toEqual([])
      const csv = await (await fetchExport(server, boss.token, sessionId, `${table}?format=csv`)).text()
      expect(csv).toMatch(/^"id",.*\r\n$/)
      const file = await (await fetchExport(server, boss.token, sessionId, `${table}?format=parquet`)).arrayBuffer()
      expect(await parquetReadObjects({ file })).toEqual([])
    }
  })
})

describe('the card', () => {
  const card = async (query: string) => (await fetchExport(server, boss.token, run.sessionId, query)).text()

  test('has front matter that the hub reads, and says what the columns are', async () => {
    const text = await card('preferences?format=card&layout=preference&chat=true&minMargin=0.25&licence=cc-by-4.0')
    const [, front = '', body = ''] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text) ?? []
    expect(parse(front)).toEqual({
      pretty_name: 'A "run" of ours: preferences',
      license: 'cc-by-4.0',
      task_categories: ['reinforcement-learning'],
      tags: ['human-feedback'],
      configs: [{ config_name: 'default', data_files: `attune-${run.sessionId}-preferences-preference.*` }],
    })
    expect(body).toContain('# A "run" of ours: preferences\n')
    expect(body).toContain('minMargin 0.25')
    expect(body).toContain('Licence: cc-by-4.0.')
    expect(body).toContain('agreed to: not stated')
    expect(body).toContain('conversational')
    for (const column of ['prompt', 'chosen', 'rejected', 'id']) expect(body).toContain(`| \`${column}\` |`)
  })

  test('of a table says what nobody has stated, and what each of its columns means', async () => {
    const text = await card(`votes?format=card&consent=${encodeURIComponent('They ticked\na box.')}`)
    expect(text).toContain('license: unknown')
    expect(text).toContain('Licence: not stated.')
    expect(text).toContain('agreed to: They ticked a box.')
    const [row] = await rows<object>('votes')
    for (const name of Object.keys(row!)) expect(text).toContain(`| \`${name}\` |`)
  })
})

test('Parquet holds the same rows', async () => {
  const file = await (await fetchExport(server, boss.token, run.sessionId, 'votes?format=parquet')).arrayBuffer()
  const read = await parquetReadObjects({ file })
  const votes = await rows<ExportedVote>('votes')
  expect(read).toEqual(
    votes.map((one) => ({
      ...one,
      ...{ seq: BigInt(one.seq), taste: BigInt(one.taste!), time: new Date(one.time) },
    })),
  )
})

describe('a download that broke off goes on after its last whole row', () => {
  beforeAll(() => useVotes(world.pool, run.votes.slice(10, 15), { sessionId: run.sessionId }))

  test.each(['votes', 'answers', 'prompts', 'receipts', 'preferences?minMargin=0'])('%s', async (query) => {
    const join = query.includes('?') ? '&' : '?'
    const ids = (await rows<{ id: string }>(query)).map(({ id }) => id)
    for (const format of ['jsonl', 'csv']) {
      const read = async (more = '') =>
        linesOf(
          await (await fetchExport(server, boss.token, run.sessionId, `${query}${join}format=${format}${more}`)).text(),
        )
      const whole = await read()
      for (const cut of [1, Math.ceil(ids.length / 2), ids.length]) {
        const begun = whole.slice(0, cut + (format === 'csv' ? 1 : 0))
        expect([...begun, ...(await read(`&after=${ids[cut - 1]}`))]).toEqual(whole)
      }
    }
  })

  test('and is refused where that row is a pair no longer', async () => {
    const { sessionId, votes } = await gather(world.pool, boss.user.userId, { raters: 2, answers: 3, prompts: 1 })
    const [pair] = await rows<ExportedPreference>('preferences?minMargin=0', sessionId)
    await world.pool.query('update feedback set withdrawn_at = now() where id = any($1)', [votes])
    expect(await refusal(`preferences?minMargin=0&after=${pair!.id}`, sessionId)).toMatchObject({
      status: 409,
      body: { path: 'after' },
    })
  })
})
