/** What votes earn, and what nobody earns by flooding: through real sockets, Postgres, the recorder and the contracts. */
import { randomUUID } from 'node:crypto'
import { keccak256, parseEther, toHex } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SignedIn } from '../../server/protocol.ts'
import type { Earnings } from '../../server/protocol-rewards.ts'
import { addSample, ask, connect, guest, useVotes, vote } from './attune.ts'
import { linkWallet, openPayingWorld, type PayingWorld } from './paying.ts'

/** Wei a credit: a pot of 1 ether pays for 1,000 votes. */
const PER_CREDIT = parseEther('0.00001')
/** Seconds an answer, as the session says: ten answers in ten minutes. */
const SECONDS = 60

let paying: PayingWorld
beforeAll(async () => {
  paying = await openPayingWorld()
  await paying.world.pool.query(`update sessions set configuration = jsonb_set(configuration, '{live,secondsPerAnswer}', $1::jsonb)`, [String(SECONDS)])
  await paying.fund(parseEther('1'), PER_CREDIT)
})
afterAll(() => paying.close())

const register = (username: string) => ask<SignedIn>(paying.server, 'POST', '/api/auth/register', { body: { username, password: 'long enough' } })
const earned = async (who: SignedIn) => {
  const { points, earnings } = await ask<Earnings>(paying.server, 'GET', '/api/claims', { token: who.token })
  return { points: Number(points), wei: earnings.reduce((sum, one) => sum + BigInt(one.earned), 0n) }
}
/** Votes over sockets, as fast as they are taken. */
const burst = async (who: SignedIn, bodies: readonly object[], sockets = 3): Promise<string[]> => {
  const clients = await Promise.all(Array.from({ length: sockets }, () => connect(paying.server, who.token)))
  const answers = await Promise.all(bodies.map((body, n) => clients[n % sockets].send('submit-feedback', body)))
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
/** Time passes: what was cast is past being withdrawn. */
const settle = () => paying.world.pool.query(`update feedback set created_at = created_at - interval '1 minute'`)

test('C5 nobody earns more than an honest person’s pace allows: not by made-up texts, closed answers, a burst or votes against the crowd', async () => {
  const [flooder, late, bot, adversary] = [await register('Flooder'), await guest(paying.server, 'Late'), await guest(paying.server, 'Bot'), await guest(paying.server, 'Adversary')]
  const honest = await guest(paying.server, 'Honest')
  for (const [n, who] of [flooder, late, bot, adversary, honest].entries()) await linkWallet(paying.server, who, keccak256(toHex(`rater ${n}`)))

  const texts = Array.from({ length: 120 }, () => vote(undefined, { inputText: 'a question', modelResponse: `made up ${randomUUID()}` }))
  const unused = { weight: 0, crowd: null, advantage: null, comparable: 12 }
  await useVotes(paying.world.pool, await burst(flooder, texts), unused)
  await useVotes(paying.world.pool, await burst(late, (await samples(40, 'closed')).map((id) => vote(id))), unused)
  await useVotes(paying.world.pool, await burst(bot, (await samples(40)).map((id) => vote(id))), { comparable: 40 })
  await useVotes(paying.world.pool, await burst(adversary, (await samples(40)).map((id) => vote(id))), { weight: 0, reliability: 0, comparable: 40 })
  const ids = await burst(honest, (await samples(12)).map((id) => vote(id)), 1)
  for (const [n, id] of ids.entries()) await paying.world.pool.query('update feedback set created_at = now() - make_interval(secs => $2) where id = $1', [id, (n + 1) * SECONDS])
  await useVotes(paying.world.pool, ids, { comparable: 12 })
  await settle()
  while ((await paying.recorder.closeEpoch()) !== null);

  const figures = { flooder: await earned(flooder), late: await earned(late), bot: await earned(bot), adversary: await earned(adversary), honest: await earned(honest) }
  console.info(figures)
  const nothing = { points: 0, wei: 0n }
  expect(figures).toEqual({
    flooder: nothing,
    late: nothing,
    bot: { points: 1_000, wei: 1_000n * PER_CREDIT },
    adversary: nothing,
    honest: { points: 1_200, wei: 1_200n * PER_CREDIT },
  })
})
