/** Exports are sent while they are read: of one moment, at their reader's pace, and no longer than somebody reads. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { beforeAll, describe, expect, test } from 'vitest'
import { inSnapshot } from '../../core/db/exports.ts'
import { sessionBasics } from '../../core/db/sessions.ts'
import { castVotesOf } from '../../core/db/raters.ts'
import { ExportQuery, limits, type ExportedVote, type SignedIn } from '../../core/protocol/index.ts'
import { weigh } from '../../core/votes/weights.ts'
import { exportOf } from '../../server/exports/export.ts'
import { weighVotes } from '../../server/exports/weights.ts'
import { sendDownload, type Download } from '../../server/http/download.ts'
import { admin, useServer, useWorld } from './attune.ts'
import { fetchExport, gather, linesOf, type Gathered } from './exports-world.ts'

const world = useWorld()
const server = useServer(world, { TRUST_PROXY: '1' })
let boss: SignedIn
let run: Gathered
beforeAll(async () => {
  boss = await admin(server)
  run = await gather(world.pool, boss.user.userId, { raters: 3, answers: 600, prompts: 5 })
})

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (let patience = 1_000; patience > 0; patience--) {
    if (await what()) return
    await sleep(20)
  }
  throw new Error('it did not come about')
}

test('every page is of the moment at which the download began', async () => {
  const caller = await server.deps.accounts.authenticate(boss.token)
  const { body } = await exportOf(server.deps, caller, run.sessionId, 'votes', ExportQuery.parse({}))
  let text = ''
  for await (const chunk of body(new AbortController().signal)) {
    if (text === '') {
      await world.pool.query('update feedback set withdrawn_at = now(), comments = null where id = $1', [
        run.votes.at(-1),
      ])
      await world.pool.query(`update samples set response = 'another' where id = $1`, [run.samples.at(-2)])
      await world.pool.query(
        `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, quality, value, salt)
         select $1, session_id, null, user_id, '', '', 5, 0.5, 0.5, salt from feedback where id = $2`,
        [randomUUID(), run.votes[0]],
      )
    }
    text += String(chunk)
  }
  const votes = linesOf(text).map((line) => JSON.parse(line) as ExportedVote)
  expect(votes.length).toBeGreaterThan(3 * limits.exportPageRows)
  expect(votes.map(({ id }) => id)).toEqual(run.votes)
})

describe('while the database makes an export wait', () => {
  /** Nobody reads a vote until the work is done. */
  async function locked(work: () => Promise<void>): Promise<void> {
    const client = await world.pool.connect()
    try {
      await client.query('begin')
      await client.query('lock table feedback in access exclusive mode')
      await work()
    } finally {
      await client.query('rollback')
      client.release()
    }
  }
  const waiting = async (): Promise<number> =>
    (
      await world.pool.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
    ).rows[0]!.n

  test('a reader who leaves ends the query, and gives the place back', async () => {
    for (let round = 0; round <= limits.exportsAtOnce; round++)
      await locked(async () => {
        const leaving = new AbortController()
        const answer = fetchExport(server, boss.token, run.sessionId, 'votes', { signal: leaving.signal }).then(
          () => 'answered',
          (error: Error) => error.name,
        )
        await until(async () => (await waiting()) === 1)
        leaving.abort()
        expect(await answer).toBe('AbortError')
        await until(async () => (await waiting()) === 0)
      })
    const response = await fetchExport(server, boss.token, run.sessionId, 'votes')
    expect(linesOf(await response.text()).length).toBeGreaterThan(limits.exportPageRows)
  })

  test('no more than a few are sent at a time: others are told when to come back', async () => {
    const sent: Promise<number>[] = []
    await locked(async () => {
      for (let n = 1; n <= limits.exportsAtOnce; n++) {
        sent.push(
          fetchExport(server, boss.token, run.sessionId, 'votes').then(
            async (response) => linesOf(await response.text()).length,
          ),
        )
        await until(async () => (await waiting()) === n)
      }
      const response = await fetchExport(server, boss.token, run.sessionId, 'votes')
      expect(response.status).toBe(429)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(response.headers.get('content-disposition')).toBeNull()
      expect(await response.json()).toMatchObject({ error: 'too-frequent' })
    })
    for (const rows of await Promise.all(sent)) expect(rows).toBeGreaterThan(limits.exportPageRows)
  })
})

test('an export leaves no transaction open, nor anything in the database', async () => {
  for (const table of ['votes', 'preferences', 'prompts'])
    await (await fetchExport(server, boss.token, run.sessionId, table)).text()
  const { rows } = await world.pool.query(
    `select query from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
     union all select relname from pg_class where relname like 'export%'`,
  )
  expect(rows).toEqual([])
})

describe('a download', () => {
  /** Serves one, and gives what a reader gets of it. */
  async function serve(download: Download): Promise<{ response: IncomingMessage; close: () => void }> {
    const { port, close } = listen(download)
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      get({ port, agent: false }, resolve).on('error', reject),
    )
    return { response, close }
  }
  function listen(download: Download, onend: (outcome: unknown) => void = () => undefined) {
    const app = express()
    app.get('/', (request, response) =>
      sendDownload(request, response, download).then(onend, (error: unknown) => {
        onend(error)
        throw error
      }),
    )
    const http = app.listen(0)
    return { port: (http.address() as AddressInfo).port, close: () => void http.close() }
  }
  const chunk = Buffer.alloc(64 * 1024)
  const MANY = 100_000

  test('is made no faster than it is read, and ends when its reader leaves', async () => {
    let made = 0
    let ended = false
    const { response, close } = await serve({
      ...{ name: 'a', type: 'text/plain' },
      async *body(signal) {
        try {
          for (; made < MANY; made++) yield chunk
        } finally {
          ended = signal.aborted
        }
      },
    })
    let [before, still] = [-1, 0]
    await until(() => {
      still = made === before ? still + 1 : 0
      before = made
      return still > 20
    })
    // What the sockets' buffers hold, of the six gigabytes that there are.
    expect(made).toBeLessThan(MANY / 100)
    response.destroy()
    await until(() => ended)
    close()
  })

  test('ends where its reader has left before there was anything to read', async () => {
    let [begun, ended] = [false, false]
    let outcome: unknown = 'none'
    const { port, close } = listen(
      {
        ...{ name: 'a', type: 'text/plain' },
        async *body(signal) {
          try {
            begun = true
            await once(signal, 'abort')
            yield 'late'
            yield 'later'
          } finally {
            ended = true
          }
        },
      },
      (end) => (outcome = end),
    )
    const request = get({ port, agent: false }).on('error', () => undefined)
    await until(() => begun)
    request.destroy()
    await until(() => outcome !== 'none')
    expect([outcome, ended]).toEqual([undefined, true])
    close()
  })

  test('that fails half-way breaks off, so that its reader knows', async () => {
    const { response, close } = await serve({
      ...{ name: 'a', type: 'text/plain' },
      async *body() {
        yield 'half'
        throw new Error('the other half is lost')
      },
    })
    const reading = (async () => {
      let read = ''
      for await (const piece of response) read += String(piece)
      return read
    })()
    await expect(reading).rejects.toThrow('aborted')
    close()
  })
})

describe('a long run is weighed in stretches', () => {
  const weightsOf = async (together: number) => {
    const rows: { seq: number; weight: number; says: number }[] = []
    const signal = new AbortController().signal
    for await (const row of inSnapshot(world.pool, signal, async function* (db) {
      await weighVotes(db, run.sessionId, await sessionBasics(db, run.sessionId), signal, together)
      yield* (await db.query<(typeof rows)[number]>('select seq, weight, says from export_weights order by seq')).rows
    }))
      rows.push(row)
    return rows.map(({ weight, says }) => ({ weight, says }))
  }
  const whole = (votes: Parameters<typeof weigh>[0], from = 0) => {
    const { onAnswer, values } = weigh(votes)
    return onAnswer.map((weight, i) => ({ weight, says: values[i]! })).slice(from)
  }

  test('each with the one before it; a run that fits is weighed as a whole', async () => {
    const votes = await castVotesOf(world.pool, run.sessionId, [])
    expect(await weightsOf(votes.length)).toEqual(whole(votes))
    const stretches = await weightsOf(1_000)
    expect(stretches).toEqual([
      ...whole(votes.slice(0, 1_000)),
      ...whole(votes.slice(500, 1_500), 500),
      ...whole(votes.slice(1_000), 500),
    ])
  })

  test.each([1, 2, 600])('no vote is left out, whatever their number is to the stretches (%i)', async (less) => {
    const votes = await castVotesOf(world.pool, run.sessionId, [])
    expect(await weightsOf(votes.length - less)).toHaveLength(votes.length)
  })
})
