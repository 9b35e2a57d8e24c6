/** Attacks on a room, played through real sockets against a real run of a tiny model. */
import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import type { Rater, SignedIn } from '../../core/protocol/index.ts'
import { openLiveRoom, voteOf, worthOf, type LiveRoom } from '../helpers/live-room.ts'
import { admin, ask, guest, useServer, useWorld, type Client } from './attune.ts'

const regularCount = 6
const world = useWorld()
const server = useServer(world)
let boss: SignedIn
beforeAll(async () => {
  boss = await admin(server)
})

const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length
/** What an honest rater sees: the truth, and a little of their own. */
const seen = (response: string, rater: number) =>
  Math.min(1, Math.max(0, worthOf(response) + 0.1 * Math.sin(97 * rater + 1_000 * worthOf(response))))

async function regularsOf(room: LiveRoom): Promise<{ who: SignedIn; client: Client }[]> {
  const regulars = []
  for (let i = 0; i < regularCount; i++) {
    const who = await guest(server)
    regulars.push({ who, client: await room.join(who) })
  }
  return regulars
}

async function send(client: Client, body: ReturnType<typeof voteOf>): Promise<void> {
  const ack = await client.send('submit-feedback', body)
  if (!ack.ok) throw new Error(`${ack.code}: ${ack.message}`)
}

/** A third of the votes, give or take, come from guests who vote once each and invert what they see. */
for (const guestsPerAnswer of [1, 2]) {
  test(`one-vote guests who invert weigh at most 15 %, at ${guestsPerAnswer === 1 ? 25 : 33} % of the votes, and the regulars’ reliability stays`, async () => {
    const [history, attack] = [2, 3]
    const perAnswer = guestsPerAnswer === 1 ? 3 : 4
    const room = await openLiveRoom(world, server, {
      epochs: history + attack,
    })
    const regulars = await regularsOf(room)
    for (let step = 1; step <= history + attack; step++) {
      const answers = await room.answersOf(step)
      for (const [a, { id, response }] of answers.entries()) {
        const count = step <= history ? regularCount : perAnswer
        for (let k = 0; k < count; k++) {
          const i = (a + k) % regularCount
          await send(regulars[i]!.client, voteOf(room.sessionId, id, seen(response, i)))
        }
        for (let g = 0; step > history && g < guestsPerAnswer; g++) {
          const stranger = await room.join(await guest(server))
          await send(stranger, voteOf(room.sessionId, id, 1 - worthOf(response)))
          stranger.close()
        }
      }
      await room.age()
      await room.learnt(step)
    }
    expect(await room.ended).toBe('completed')

    const known = new Set(regulars.map(({ who }) => who.user.userId))
    const attacked = (await room.receipts()).filter(({ step }) => step > history)
    const weightOf = (of: typeof attacked) => of.reduce((sum, { weight }) => sum + weight, 0)
    const strangers = attacked.filter(({ userId }) => !known.has(userId))
    expect(strangers).toHaveLength(attack * 8 * guestsPerAnswer)
    expect(weightOf(strangers) / weightOf(attacked)).toBeLessThan(0.15)
    const last = attacked.filter(({ step, userId }) => step === history + attack && known.has(userId))
    expect(mean(last.map(({ reliability }) => reliability))).toBeGreaterThan(0.75)
    for (const { comparable } of last) expect(comparable).toBeGreaterThan(8 * history)
    for (const { comparable } of strangers) expect(comparable).toBe(1)
    const { rows } = await world.pool.query('select kind from warnings where session_id = $1', [room.sessionId])
    expect(rows).not.toContainEqual({ kind: 'regulars' })
    await room.close()
  })
}

test('hundreds of inverted votes on texts of its own making by one account weigh at most a tenth, nothing once the room has regulars, and can be switched off', async () => {
  const texts = 300
  const room = await openLiveRoom(world, server, {
    epochs: 3,
    rewardHacking: { minVotes: 100_000 },
  })
  const regulars = await regularsOf(room)
  const attacker = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username: `texts ${randomUUID().slice(0, 8)}`, password: 'long enough' },
  })
  // Over several sockets, as fast as each may.
  const sockets = await Promise.all(Array.from({ length: 5 }, () => room.join(attacker)))
  await Promise.all(
    sockets.map(async (socket, s) => {
      for (let i = s; i < texts; i += sockets.length) {
        const { sampleId: _, ...body } = voteOf(room.sessionId, randomUUID(), i % 2)
        const ack = await socket.send('submit-feedback', {
          ...body,
          inputText: `question ${i}`,
          modelResponse: i % 2 ? `go away ${i}` : `I am here for you ${i}`,
        })
        if (!ack.ok && ack.code !== 'too-frequent') throw new Error(ack.message)
      }
    }),
  )
  const shares: number[] = []
  for (let step = 1; step <= 3; step++) {
    for (const { id, response } of await room.answersOf(step)) {
      for (const [i, { client }] of regulars.entries())
        await send(client, voteOf(room.sessionId, id, seen(response, i)))
    }
    await room.age()
    await room.learnt(step)
    const raters = await ask<Rater[]>(server, 'GET', `/api/training/${room.sessionId}/raters`, { token: boss.token })
    const author = raters.find(({ userId }) => userId === attacker.user.userId)
    expect(author?.votes).toBeGreaterThan(100)
    expect(author).toMatchObject({ comparable: 0, known: false })
    shares.push(author?.share ?? 1)
  }
  expect(Math.max(...shares)).toBeLessThanOrEqual(0.1)
  expect(shares[2]).toBe(0)
  const receipts = await room.receipts()
  for (const receipt of receipts.filter(({ userId }) => userId === attacker.user.userId))
    expect(receipt).toMatchObject({ weight: 0, crowd: null, comparable: 0 })
  await room.close()

  const strict = await openLiveRoom(world, server, { epochs: 1, live: { freeTexts: false } })
  const client = await strict.join(attacker)
  const { sampleId: _, ...body } = voteOf(strict.sessionId, randomUUID(), 0)
  expect(await client.send('submit-feedback', { ...body, inputText: 'a', modelResponse: 'b' })).toEqual({
    ok: false,
    code: 'forbidden',
    path: 'sampleId',
    message: 'this session takes votes on its own answers only: send the sampleId of one',
  })
  await strict.close()
})

test('two accounts that vote late on closed answers, the way the crowd did, earn no standing', async () => {
  const room = await openLiveRoom(world, server, { epochs: 3 })
  const regulars = await regularsOf(room)
  const copiers = [await room.join(await guest(server)), await room.join(await guest(server))]
  for (let step = 1; step <= 3; step++) {
    const answers = await room.answersOf(step)
    for (const { id, response } of answers)
      for (const [i, { client }] of regulars.entries())
        await send(client, voteOf(room.sessionId, id, seen(response, i)))
    await room.age()
    await room.learnt(step)
    if (step < 3)
      for (const copier of copiers)
        for (const { id, response } of answers) await send(copier, voteOf(room.sessionId, id, worthOf(response)))
  }
  const raters = await ask<Rater[]>(server, 'GET', `/api/training/${room.sessionId}/raters`, { token: boss.token })
  const late = raters.slice(regularCount)
  expect(late).toHaveLength(2)
  for (const rater of late) expect(rater).toMatchObject({ votes: 16, comparable: 0, known: false, share: 0 })
  await room.close()
})
