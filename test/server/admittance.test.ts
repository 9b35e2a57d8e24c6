/** Who may see a session, and vote in it, by its audience. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Ack, RunHistory, SessionSnapshot, SignedIn, TrainingSession } from '../../core/protocol/index.ts'
import { routes } from '../../server/http/routes/index.ts'
import type { Route } from '../../server/http/routes/route.ts'
import { addSample, admin, ask, call, guest, useServer, useWorld, vote, type Client } from './attune.ts'
import {
  accept,
  account,
  crowded,
  elsewhere,
  invitee,
  inviteTo,
  setAudience,
  startRun,
  visit,
  walletOwner,
  withRole,
} from './invited.ts'

/** How often a server that is opened now looks for people who may not be where they are: never, but for one test. */
const looking = vi.hoisted(() => ({ everyMs: 2 ** 31 - 1 }))
vi.mock('../../core/protocol/limits.ts', async (load) => {
  const real = await load<typeof import('../../core/protocol/limits.ts')>()
  return {
    ...real,
    limits: {
      ...real.limits,
      get admittanceMs() {
        return looking.everyMs
      },
    },
  }
})

const world = useWorld()
const east = useServer(world, crowded)
const west = useServer(world, crowded)
let boss: SignedIn
let owner: SignedIn
const clients: Client[] = []
beforeAll(async () => {
  boss = await admin(east)
  owner = await withRole(east, 'trainer')
})
afterAll(() => {
  for (const client of clients) client.close()
})

const come = async (who: SignedIn, server = west) => {
  const client = await visit(server, who)
  clients.push(client)
  return client
}

describe('a session that somebody may not see answers as one that does not exist', () => {
  /** As long as a real one. */
  const nowhere = 'run-000000000000'
  let hidden: string
  let sampleId: string
  const strangers: Record<string, SignedIn> = {}
  beforeAll(async () => {
    hidden = await startRun(east, owner, 'invited')
    sampleId = await addSample(world.pool, 'open', hidden)
    const excluded = await invitee(east, await inviteTo(east, owner, hidden))
    // There is something of everything to be seen.
    await ask(east, 'POST', '/api/feedback', { token: excluded.token, body: vote(sampleId, { sessionId: hidden }) })
    await world.pool.query(
      `insert into evaluations (session_id, step, policy_version, metrics, heads, regressed, shows, answers) values ($1, 0, 0, '{}', '{}', false, 0, '[]')`,
      [hidden],
    )
    await world.pool.query(
      `insert into steps (session_id, step, policy_version, metrics, checkpoint, votes) values ($1, 1, 1, '{}', 'none', 1)`,
      [hidden],
    )
    await ask(east, 'POST', `/api/training/${hidden}/raters/${excluded.user.userId}/exclude`, {
      token: owner.token,
      body: { reason: 'votes the opposite' },
    })
    Object.assign(strangers, {
      guest: await guest(east),
      account: await account(east),
      trainer: await withRole(east, 'trainer'),
      validator: await withRole(east, 'validator'),
      excluded,
    })
  })

  /** What each route with a body is sent; a new route needs its line. */
  const bodies: Record<string, unknown> = {
    'post /api/training/:sessionId/raters/:userId/exclude': { reason: 'why' },
    'post /api/training/:sessionId/model': { name: 'a-model' },
    'post /api/training/:sessionId/ask': { prompt: 'a question' },
    'post /api/training/:sessionId/rollback': { step: 1 },
    'post /api/training/:sessionId/branch': { step: 1 },
    'post /api/training/:sessionId/audience': { audience: 'public' },
    'post /api/training/:sessionId/invites': { role: 'rater', cap: 1, expiresInHours: 1 },
    'post /api/training/:sessionId/invites/:inviteId/exclude': { reason: 'why' },
    'post /api/bounties/:sessionId/treasury': { what: 'close', bounty: `0x${'0'.repeat(64)}` },
  }
  const ofSessions = routes.filter(({ path }) => path.includes(':sessionId'))
  const ids: Record<string, string> = {
    userId: randomUUID(),
    inviteId: randomUUID(),
    bountyId: `0x${'0'.repeat(64)}`,
    step: '0',
    table: 'votes',
  }

  /** What a caller is told, but for what is about the request alone. */
  async function told({ method, path, body }: Route, sessionId: string, token: string): Promise<string> {
    const sent = bodies[`${method} ${path}`]
    if (body !== undefined) expect(body.safeParse(sent).success, `${method} ${path} has a fitting body here`).toBe(true)
    const to = path.replace(/:(\w+)/g, (_, name: string) => (name === 'sessionId' ? sessionId : (ids[name] ?? name)))
    const answer = await call(east, method.toUpperCase(), to, {
      token,
      ...(sent !== undefined && { body: sent }),
      headers: elsewhere(),
    })
    expect(answer.status, `${method} ${path} is sent what it takes`).not.toBe(400)
    const { timestamp: _, requestId: __, ...rest } = answer.body
    return JSON.stringify({ status: answer.status, ...rest }).replaceAll(sessionId, 'ID')
  }

  test.each(['guest', 'account', 'trainer', 'validator', 'excluded'])('over REST, to the %s', async (who) => {
    const { token } = strangers[who]!
    expect(ofSessions.length).toBeGreaterThan(20)
    for (const one of ofSessions)
      expect(await told(one, hidden, token), `${one.method} ${one.path}`).toBe(await told(one, nowhere, token))
    for (const sessionId of [hidden, nowhere])
      expect(
        (
          await call(east, 'POST', '/api/feedback', {
            token,
            body: vote(sampleId, { sessionId }),
            headers: elsewhere(),
          })
        ).body,
      ).toMatchObject({ error: 'not-found', message: `there is no session ${sessionId}` })
    expect(
      await ask(east, 'GET', `/api/feedback/receipts?sessionId=${hidden}`, { token, headers: elsewhere() }),
    ).toEqual([])
  })

  test('S7: and not to its owner, an administrator, or who was invited', async () => {
    const watcher = await invitee(east, await inviteTo(east, owner, hidden, { role: 'observer' }))
    const readable = ofSessions.filter(
      ({ method, access, path }) => method === 'get' && access === 'read' && !/:.*:/.test(path),
    )
    expect(readable.length).toBeGreaterThan(5)
    for (const { token } of [owner, boss, watcher])
      for (const one of readable) expect(await told(one, hidden, token), one.path).toContain('"success":true')
  })

  test('S7: over sockets', async () => {
    for (const who of Object.values(strangers)) {
      const client = await come(who, east)
      const said = async (sessionId: string): Promise<string> => {
        const answers: Ack[] = [
          await client.send('join-session', sessionId),
          await client.send('join-session', { sessionId, since: '1-1' }),
          await client.send('subscribe-metrics', sessionId),
          await client.send('begin-vote', { sessionId, sampleId }),
          await client.send('submit-feedback', vote(sampleId, { sessionId })),
          await client.send('ask', { sessionId, prompt: 'a question' }),
        ]
        for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: 'not-found' })
        return JSON.stringify(answers).replaceAll(sessionId, 'ID')
      }
      expect(await said(hidden)).toBe(await said(nowhere))
      expect(client.received.map(({ event }) => event).filter((event) => event !== 'feedback-error')).toEqual([])
      client.close()
    }
    // The one that there was.
    expect((await world.pool.query('select from feedback where session_id = $1', [hidden])).rowCount).toBe(1)
    expect((await world.pool.query('select from vote_begun where sample_id = $1', [sampleId])).rowCount).toBe(0)
  })

  test('S7: nor is it named as what a run branched from', async () => {
    const branch = await startRun(east, owner, 'public')
    await world.pool.query(
      `insert into branches (session_id, from_session, from_step, line, excluded, checkpoint, branched_by) values ($1, $2, 1, '{[1,1]}', '{}', 'none', $3)`,
      [branch, hidden, owner.user.userId],
    )
    const originFor = async ({ token }: SignedIn) =>
      (await ask<RunHistory>(east, 'GET', `/api/training/${branch}/history`, { token, headers: elsewhere() })).origin
        ?.sessionId
    expect(await originFor(owner)).toBe(hidden)
    expect(await originFor(strangers.account!)).toBeNull()
  })
})

test('each audience is in the lists that it should be in, and hidden runs are not counted', async () => {
  const count = async () => {
    const status = await ask<{ activeTrainingSessions: number }>(east, 'GET', '/api/status', { headers: elsewhere() })
    return status.activeTrainingSessions
  }
  const before = await count()
  const runs = {
    public: await startRun(east, owner, 'public'),
    unlisted: await startRun(east, owner, 'unlisted'),
    accounts: await startRun(east, owner, 'accounts'),
    wallets: await startRun(east, owner, 'wallets'),
    invited: await startRun(east, owner, 'invited'),
  }
  expect(await count()).toBe(before + 3)
  const stranger = await guest(east)
  const invited = await invitee(east, await inviteTo(east, owner, runs.invited))
  await accept(east, invited, (await inviteTo(east, owner, runs.unlisted)).token)
  const listedTo = async ({ token }: SignedIn) => {
    const list = await ask<TrainingSession[]>(east, 'GET', '/api/training', { token, headers: elsewhere() })
    const there = new Set(list.map(({ id }) => id))
    return Object.entries(runs).flatMap(([audience, id]) => (there.has(id) ? [audience] : []))
  }
  expect(await listedTo(stranger)).toEqual(['public', 'accounts', 'wallets'])
  for (const who of [owner, boss, invited])
    expect(await listedTo(who)).toEqual(['public', 'unlisted', 'accounts', 'wallets', 'invited'])
  // Whoever knows its address finds an unlisted one.
  expect(
    (await call(east, 'GET', `/api/training/${runs.unlisted}`, { token: stranger.token, headers: elsewhere() })).status,
  ).toBe(200)
})

describe('who may see a session and not vote in it is told why, by every way to vote, to begin one and to ask', () => {
  const people: Record<string, SignedIn> = {}
  beforeAll(async () => {
    Object.assign(people, {
      guest: await guest(east),
      account: await account(east),
      wallet: await walletOwner(east),
      owner,
      admin: boss,
    })
  })
  const everybody = ['guest', 'account', 'wallet', 'owner', 'admin']

  test.each([
    ['public', everybody, ''],
    ['unlisted', everybody, ''],
    ['accounts', ['account', 'wallet', 'owner', 'admin'], 'Guests watch this session'],
    ['wallets', ['wallet', 'owner', 'admin'], 'linked a wallet'],
  ] as const)('%s: %j vote', async (audience, voters, sentence) => {
    const sessionId = await startRun(east, owner, audience)
    for (const name of everybody) {
      const who = people[name]!
      const client = await come(who)
      expect((await client.send('join-session', sessionId)).ok, `${name} sees it`).toBe(true)
      const { watches }: SessionSnapshot = await client.wait('session-snapshot')
      const sampleId = await addSample(world.pool, 'open', sessionId)
      const answers: Ack[] = [
        await client.send('begin-vote', { sessionId, sampleId }),
        await client.send('submit-feedback', vote(sampleId, { sessionId })),
        await client.send('ask', { sessionId, prompt: 'a question' }),
      ]
      const { status } = await call(east, 'POST', '/api/feedback', {
        token: who.token,
        body: vote(await addSample(world.pool, 'open', sessionId), { sessionId }),
        headers: elsewhere(),
      })
      if ((voters as readonly string[]).includes(name)) {
        expect(answers, name).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
        expect([status, watches], name).toEqual([201, undefined])
      } else {
        const refused = { ok: false, code: 'forbidden', message: expect.stringContaining(sentence) }
        expect(answers, name).toEqual([refused, refused, refused])
        expect([status, watches], name).toEqual([403, expect.stringContaining(sentence)])
      }
      client.close()
    }
  })

  test('it changes in an open room, and for who comes back to one', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const [here, away] = [await come(people.guest!), await come(people.guest!)]
    await here.send('join-session', sessionId)
    const joined = await away.send('join-session', sessionId)
    away.close()
    await setAudience(east, owner, sessionId, 'accounts')
    await here.wait('session-snapshot', ({ watches }) => watches !== undefined)
    const back = await come(people.guest!)
    await back.send('join-session', { sessionId, since: joined.ok ? joined.data.seq : '' })
    expect((await back.wait('session-snapshot')).watches).toContain('Guests watch')
    await setAudience(east, owner, sessionId, 'public')
    await back.wait('session-snapshot', ({ watches }) => watches === undefined)
  })

  test('an observer watches, a rater votes; who has come by both links votes', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const [watching, voting] = [
      await inviteTo(east, owner, sessionId, { role: 'observer' }),
      await inviteTo(east, owner, sessionId),
    ]
    const who = await invitee(east, watching)
    const cast = async () =>
      (
        await call(east, 'POST', '/api/feedback', {
          token: who.token,
          body: vote(await addSample(world.pool, 'open', sessionId), { sessionId }),
        })
      ).status
    expect(await cast()).toBe(403)
    await accept(east, who, voting.token)
    expect(await cast()).toBe(201)
  })
})

describe('somebody whom a session is no longer for', () => {
  test('is put out of its rooms on every server, hears no more of it, and comes back to nothing; invited people stay', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const [stranger, other, rater] = [
      await guest(east),
      await guest(east),
      await invitee(east, await inviteTo(east, owner, sessionId)),
    ]
    const [inRoom, onMetrics, staying] = [await come(stranger), await come(other), await come(rater)]
    const joined = await inRoom.send('join-session', sessionId)
    await onMetrics.send('subscribe-metrics', sessionId)
    await staying.send('join-session', sessionId)
    await setAudience(east, owner, sessionId, 'invited')
    await Promise.all([inRoom.gone, onMetrics.gone])
    // Who stays has the change by a snapshot.
    await staying.wait('session-snapshot', ({ session }) => session.configuration.live.audience === 'invited')
    await ask(east, 'POST', `/api/training/${sessionId}/pause`, { token: owner.token })
    await staying.wait('training-paused')
    expect(inRoom.received.map(({ event }) => event)).not.toContain('training-paused')
    const again = await come(stranger)
    const since = joined.ok ? joined.data.seq : ''
    expect(await again.send('join-session', { sessionId, since })).toMatchObject({ ok: false, code: 'not-found' })
    expect(again.received).toEqual([])
    expect(staying.socket.connected).toBe(true)
  })

  test('is put out when they are excluded from an invited one, or are an administrator no more', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const rater = await invitee(east, await inviteTo(east, owner, sessionId))
    const second = await withRole(east, 'admin')
    const [one, two] = [await come(rater), await come(second)]
    expect((await one.send('join-session', sessionId)).ok).toBe(true)
    expect((await two.send('join-session', sessionId)).ok).toBe(true)
    await ask(east, 'POST', `/api/training/${sessionId}/raters/${rater.user.userId}/exclude`, {
      token: owner.token,
      body: { reason: 'votes the opposite' },
    })
    await one.gone
    await one.wait('exclusion', ({ reason }) => reason === 'votes the opposite')
    await ask(east, 'POST', '/api/auth/role', {
      token: boss.token,
      body: { userId: second.user.userId, role: 'trainer' },
    })
    await two.gone
    const back = await come(second)
    expect(await back.send('join-session', sessionId)).toMatchObject({ ok: false, code: 'not-found' })
  })

  test('has not slipped in while it was narrowed', async () => {
    const strangers = await Promise.all(Array.from({ length: 8 }, () => guest(east)))
    const inside = await invitee(east, await inviteTo(east, owner, await startRun(east, owner, 'public')))
    for (let round = 0; round < 4; round++) {
      const sessionId = await startRun(east, owner, 'public')
      await accept(east, inside, (await inviteTo(east, owner, sessionId)).token)
      const sockets = await Promise.all(strangers.map((who) => come(who)))
      const staying = await come(inside)
      await staying.send('join-session', sessionId)
      const joins = sockets.map(async ({ send }, i) => {
        await sleep(5 * i)
        return send('join-session', sessionId).catch(() => null)
      })
      await Promise.all([...joins, sleep(10).then(() => setAudience(east, owner, sessionId, 'invited'))])
      await staying.wait('session-snapshot', ({ session }) => session.configuration.live.audience === 'invited')
      await ask(east, 'POST', `/api/training/${sessionId}/pause`, { token: owner.token, headers: elsewhere() })
      await staying.wait('training-paused')
      for (const { received } of sockets) expect(received.map(({ event }) => event)).not.toContain('training-paused')
      for (const client of [...sockets, staying]) client.close()
    }
  })

  test('is put out although word of it was lost', async () => {
    looking.everyMs = 50
    const server = await world.server(crowded)
    looking.everyMs = 2 ** 31 - 1
    // A server that has just started looks once more: it may have missed something.
    for (let round = 0; round < 2; round++) {
      const sessionId = await startRun(east, owner, 'public')
      const client = await come(await guest(east), server)
      expect((await client.send('join-session', sessionId)).ok).toBe(true)
      await world.pool.query(
        `update sessions set configuration = jsonb_set(configuration, '{live,audience}', '"invited"') where id = $1`,
        [sessionId],
      )
      await client.gone
    }
  })

  test('keeps what is theirs: they withdraw a vote that they have just given', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const who = await guest(east)
    const given = vote(await addSample(world.pool, 'open', sessionId), { sessionId })
    await ask(east, 'POST', '/api/feedback', { token: who.token, body: given })
    await setAudience(east, owner, sessionId, 'invited')
    await ask(east, 'DELETE', `/api/feedback/${given.id}`, { token: who.token })
  })
})

test('its owner and administrators change an audience; nobody else; a new one that is the old one decides nothing', async () => {
  const sessionId = await startRun(east, owner, 'public')
  for (const who of [await withRole(east, 'trainer'), await account(east)])
    expect(
      await call(east, 'POST', `/api/training/${sessionId}/audience`, {
        token: who.token,
        body: { audience: 'invited' },
        headers: elsewhere(),
      }),
    ).toMatchObject({ status: 403 })
  await setAudience(east, owner, sessionId, 'public')
  await setAudience(east, boss, sessionId, 'accounts', 'a class of ours')
  await setAudience(east, owner, sessionId, 'accounts')
  const { rows } = await world.pool.query('select audience, reason, decided_by from decisions where session_id = $1', [
    sessionId,
  ])
  expect(rows).toEqual([{ audience: 'accounts', reason: 'a class of ours', decided_by: boss.user.userId }])
})

test('a session that is older than audiences is public', async () => {
  const sessionId = await startRun(east, owner, 'invited')
  await world.pool.query(`update sessions set configuration = configuration #- '{live,audience}' where id = $1`, [
    sessionId,
  ])
  const { token } = await guest(east)
  await ask(east, 'GET', `/api/training/${sessionId}`, { token })
  await setAudience(east, owner, sessionId, 'invited')
  expect((await call(east, 'GET', `/api/training/${sessionId}`, { token })).status).toBe(404)
})
