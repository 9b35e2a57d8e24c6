import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { check, load, startBare } from '../../scripts/bench/rooms.ts'
import { limits } from '../../core/protocol/index.ts'
import { addSample, guest, openWorld, type TestServer, type World } from '../server/attune.ts'

const SOCKETS = 30
const PACE = { votesPerSecond: 80, seconds: 3 }

let world: World
let server: TestServer
beforeAll(async () => {
  world = await openWorld()
  server = await world.server({ MAX_SOCKETS_PER_ADDRESS: String(SOCKETS) })
})
afterAll(() => world.close())

test('a full room loses no vote and doubles none, everybody hears the last count, and a socket gets as few messages as from a bare Socket.IO server that tells once a tick', async () => {
  const tokens: string[] = []
  for (let i = 0; i < SOCKETS; i++) tokens.push((await guest(server)).token)
  const samples: string[] = []
  for (let i = 0; i < 16; i++) samples.push(await addSample(world.pool))
  const job = { sessionId: 'demo', tokens, ...PACE }
  const { result: ours } = await load({ ...job, url: server.url, samples }, process.pid, () => undefined)
  const bare = await startBare('tick')
  const { result: theirs } = await load(
    { ...job, url: bare.url, samples: samples.map(() => randomUUID()) },
    bare.child.pid,
    () => undefined,
  )
  bare.child.kill()

  expect(ours).toMatchObject({ refused: {}, unheard: 0 })
  expect(await check(world.pool, samples, ours.ackedIds)).toEqual({ lost: 0, doubled: 0 })
  expect(ours.ackMs).toHaveLength(PACE.votesPerSecond * PACE.seconds)
  expect(ours.seenMs).toHaveLength(ours.ackMs.length)
  // One a tick, one at once after a quiet moment, presence now and then: by far not one a vote.
  expect(ours.messagesPerSocketPerSecond).toBeLessThan(2 * (1_000 / limits.tallyMs))
  expect(ours.messagesPerSocketPerSecond).toBeLessThan(2 * theirs.messagesPerSocketPerSecond + 1)
  expect(2 * (1_000 / limits.tallyMs)).toBeLessThan(PACE.votesPerSecond / 2)
})
