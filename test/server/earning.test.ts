/**
 * What votes earn, and what nobody earns by flooding: through real sockets, Postgres, the recorder and the contracts.
 */
import { randomUUID } from 'node:crypto'
import { parseEther } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import type { ProofOfContribute, SignedIn, Earnings } from '../../core/protocol/index.ts'
import { takeRunLock } from '../../core/db/run-lock.ts'
import { hashOfText } from '../helpers/hashes.ts'
import { STRANGER } from '../helpers/chain.ts'
import { addSample, ask, connect, guest, useVotes, vote } from './attune.ts'
import { bountiesOfDemo, linkWallet, untilTrue, usePayingWorld } from './paying.ts'

/** Wei a credit: a pot of 1 ether pays for 1,000 votes. */
const PER_CREDIT = parseEther('0.00001')
/** Seconds an answer, as the session says: ten answers in ten minutes. */
const SECONDS = 60

const paying = usePayingWorld()
beforeAll(async () => {
  await paying.world.pool.query(
    `update sessions set configuration = jsonb_set(configuration, '{live,secondsPerAnswer}', $1::jsonb)`,
    [String(SECONDS)],
  )
  await paying.fund(parseEther('1'), PER_CREDIT)
})

const register = (username: string) =>
  ask<SignedIn>(paying.server, 'POST', '/api/auth/register', { body: { username, password: 'long enough' } })
const earned = async (who: SignedIn) => {
  const { points, earnings } = await ask<Earnings>(paying.server, 'GET', '/api/claims', { token: who.token })
  return { points: Number(points), wei: earnings.reduce((sum, one) => sum + BigInt(one.earned), 0n) }
}
/** Votes over sockets, as fast as they are taken. */
const burst = async (who: SignedIn, bodies: readonly object[], sockets = 3): Promise<string[]> => {
  const clients = await Promise.all(Array.from({ length: sockets }, () => connect(paying.server, who.token)))
  const answers = await Promise.all(bodies.map((body, n) => clients[n % sockets]!.send('submit-feedback', body)))
  clients.forEach((client) => client.close())
  return answers.map((answer) => {
    if (!answer.ok) throw new Error(answer.message)
    return answer.data.id
  })
}
const samples = async (count: number, status: 'open' | 'closed' = 'open') => {
  const ids: string[] = []
  for (let n = 0; n < count; n++) ids.push(await addSample(paying.world.pool, status))
  return ids
}
const contributions = async (who: SignedIn) => {
  const all = await ask<ProofOfContribute[]>(paying.server, 'GET', `/api/blockchain/contributions/${who.user.userId}`, {
    token: who.token,
  })
  return new Map(all.map((one) => [one.recordId, one]))
}
const closeAll = async () => {
  while ((await paying.recorder.closeEpoch()) !== null);
}
/** Time passes: what was cast is past being withdrawn. */
const settle = () => paying.world.pool.query(`update feedback set created_at = created_at - interval '1 minute'`)

test('C5 nobody earns more than an honest person’s pace allows: not by made-up texts, closed answers, a burst or votes against the crowd', async () => {
  const [flooder, late, bot, adversary] = [
    await register('Flooder'),
    await guest(paying.server, 'Late'),
    await guest(paying.server, 'Bot'),
    await guest(paying.server, 'Adversary'),
  ]
  const honest = await guest(paying.server, 'Honest')
  for (const [n, who] of [flooder, late, bot, adversary, honest].entries())
    await linkWallet(paying.server, who, hashOfText(`rater ${n}`))

  const texts = Array.from({ length: 120 }, () =>
    vote(undefined, { inputText: 'a question', modelResponse: `made up ${randomUUID()}` }),
  )
  const unused = { weight: 0, crowd: null, advantage: null, comparable: 12 }
  await useVotes(paying.world.pool, await burst(flooder, texts), unused)
  await useVotes(
    paying.world.pool,
    await burst(
      late,
      (await samples(40, 'closed')).map((id) => vote(id)),
    ),
    unused,
  )
  await useVotes(
    paying.world.pool,
    await burst(
      bot,
      (await samples(40)).map((id) => vote(id)),
    ),
    { comparable: 40 },
  )
  await useVotes(
    paying.world.pool,
    await burst(
      adversary,
      (await samples(40)).map((id) => vote(id)),
    ),
    { weight: 0, reliability: 0, comparable: 40 },
  )
  const ids = await burst(
    honest,
    (await samples(12)).map((id) => vote(id)),
    1,
  )
  for (const [n, id] of ids.entries())
    await paying.world.pool.query('update feedback set created_at = now() - make_interval(secs => $2) where id = $1', [
      id,
      (n + 1) * SECONDS,
    ])
  await useVotes(paying.world.pool, ids, { comparable: 12 })
  await settle()
  await closeAll()

  const figures = {
    flooder: await earned(flooder),
    late: await earned(late),
    bot: await earned(bot),
    adversary: await earned(adversary),
    honest: await earned(honest),
  }
  const nothing = { points: 0, wei: 0n }
  expect(figures).toEqual({
    flooder: nothing,
    late: nothing,
    bot: { points: 1_000, wei: 1_000n * PER_CREDIT },
    adversary: nothing,
    honest: { points: 1_200, wei: 1_200n * PER_CREDIT },
  })
})

test('C5 a person in several sessions at once is one person', async () => {
  await paying.world.pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps)
     select 'room-' || n, title, model_id, user_id, status, configuration, total_steps from sessions, generate_series(1, 4) n where id = 'demo'`,
  )
  const bot = await guest(paying.server, 'Everywhere')
  for (const sessionId of ['demo', 'room-1', 'room-2', 'room-3', 'room-4']) {
    const bodies = []
    for (let n = 0; n < 6; n++) bodies.push(vote(await addSample(paying.world.pool, 'open', sessionId), { sessionId }))
    await useVotes(paying.world.pool, await burst(bot, bodies), { sessionId })
    await settle()
    await closeAll()
  }
  // Each epoch a minute later: the ten minutes are the same for all five.
  expect((await earned(bot)).points).toBe(1_000)
  const said = [...(await contributions(bot)).values()].map(({ rewardTokens, noCredit }) => [rewardTokens, noCredit])
  expect(said.filter(([, reason]) => reason === 'pace')).toHaveLength(20)
  expect(said.filter(([credit, reason]) => credit === 100 && reason === null)).toHaveLength(10)
})

test('a vote that earns nothing says why: before it is recorded where that is known, and afterwards in any case', async () => {
  const who = await register('Curious')
  const [open, closed] = [await samples(4), await samples(1, 'closed')]
  const cast = await burst(
    who,
    [
      vote(undefined, { inputText: 'a question', modelResponse: 'made up' }),
      vote(closed[0]),
      ...open.map((id) => vote(id)),
    ],
    1,
  )
  const [text, late, weightless, idle, unused, good] = cast as [string, string, string, string, string, string]
  const reasons = async () => {
    const all = await contributions(who)
    return cast.map((id) => all.get(id)?.noCredit)
  }
  expect(await reasons()).toEqual(['text', 'closed', null, null, null, null])
  await useVotes(paying.world.pool, [text, late, unused], { weight: 0, crowd: null, advantage: null })
  await useVotes(paying.world.pool, [weightless], { weight: 0, reliability: 0 })
  await useVotes(paying.world.pool, [idle], { updated: false })
  await useVotes(paying.world.pool, [good])
  await settle()
  await closeAll()
  expect(await reasons()).toEqual(['text', 'closed', 'no-weight', 'no-change', 'unused', null])
  expect((await earned(who)).points).toBe(100)
})

test('a qualification: nothing is paid before ten votes were comparable, and then also those before; the page is told what is held', async () => {
  const who = await guest(paying.server, 'Newcomer')
  await linkWallet(paying.server, who, hashOfText('a newcomer'))
  const first = await burst(
    who,
    (await samples(4)).map((id) => vote(id)),
    1,
  )
  await useVotes(paying.world.pool, first, { comparable: 4 })
  await settle()
  await closeAll()
  const held = async () => (await ask<Earnings>(paying.server, 'GET', '/api/claims', { token: who.token })).held
  expect([await earned(who), await held()]).toEqual([{ points: 0, wei: 0n }, '400'])
  expect((await contributions(who)).get(first[0]!)).toMatchObject({
    rewardTokens: 100,
    noCredit: null,
    held: true,
    verified: true,
  })

  const more = await burst(
    who,
    (await samples(3)).map((id) => vote(id)),
    1,
  )
  await useVotes(paying.world.pool, more, { comparable: 10 })
  await settle()
  await closeAll()
  expect([await earned(who), await held()]).toEqual([{ points: 700, wei: 700n * PER_CREDIT }, '0'])
  expect((await contributions(who)).get(first[0]!)).toMatchObject({ rewardTokens: 100, held: false })
})

test('C1 a vote whose step comes late waits for it and is paid once; what no step used is settled when its run has ended, and not while a step may still be committed', async () => {
  const who = await guest(paying.server, 'Patient')
  const sessionId = 'waiting'
  await paying.world.pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps)
     select $1, title, model_id, user_id, 'paused', configuration, total_steps from sessions where id = 'demo'`,
    [sessionId],
  )
  const bodies = [
    vote(await addSample(paying.world.pool, 'open', sessionId), { sessionId }),
    vote(await addSample(paying.world.pool, 'open', sessionId), { sessionId }),
  ]
  const [used, never] = (await burst(who, bodies, 1)) as [string, string]
  await paying.world.pool.query(
    `update feedback set created_at = created_at - interval '5 hours' where session_id = $1`,
    [sessionId],
  )
  expect(await paying.recorder.closeEpoch()).toBeNull()
  await useVotes(paying.world.pool, [used], { sessionId })
  expect(await paying.recorder.closeEpoch()).toMatchObject({ count: 1 })
  expect((await earned(who)).points).toBe(100)

  const trainer = await takeRunLock(paying.world.pool, sessionId)
  await paying.world.pool.query(`update sessions set status = 'completed', end_time = now() where id = $1`, [sessionId])
  expect(await paying.recorder.closeEpoch()).toBeNull()
  trainer?.release()
  await untilTrue('the run’s end is settled', async () => (await paying.recorder.closeEpoch()) !== null)
  expect((await contributions(who)).get(never)).toMatchObject({ rewardTokens: 0, noCredit: 'unused', verified: true })
  expect(await paying.recorder.closeEpoch()).toBeNull()
})

test('what earns nothing spends no pot on the page: a flood of texts and late votes does not make it look empty', async () => {
  const flooder = await register('Flooder again')
  const state = async () => (await bountiesOfDemo(paying.server, flooder)).bounties[0]?.state
  const sponsorPays = parseEther('1') / 100n / 100n
  await paying.distributor.send(STRANGER.privateKey, 'setPrice', [
    (await bountiesOfDemo(paying.server, flooder)).bounties[0]?.id,
    sponsorPays,
  ])
  await untilTrue(
    'the price is seen',
    async () => (await bountiesOfDemo(paying.server, flooder)).bounties[0]?.perCredit === String(sponsorPays),
  )
  expect(await state()).toBe('paying')
  await burst(
    flooder,
    Array.from({ length: 100 }, () =>
      vote(undefined, { inputText: 'a question', modelResponse: `made up ${randomUUID()}` }),
    ),
  )
  await burst(
    flooder,
    (await samples(20, 'closed')).map((id) => vote(id)),
  )
  expect(await state()).toBe('paying')
})
