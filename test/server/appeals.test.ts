import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRecorder, type Recorder } from '../../contracts/recorder/recorder.ts'
import { openEpochStore } from '../../core/db/epochs.ts'
import {
  type ProofOfContribute,
  type Role,
  type SignedIn,
  rewardLimits,
  type Appeal,
  type AppealCase,
} from '../../core/protocol/index.ts'
import { startChain, type TestChain } from '../helpers/chain.ts'
import { deployTestLedger, ledgerOf } from '../helpers/ledger.ts'
import {
  addSample,
  admin,
  ask,
  guest,
  openWorld,
  request,
  useVotes,
  vote,
  type TestServer,
  type World,
} from './attune.ts'

const WINDOW_SECONDS = 3_600

let world: World
let chain: TestChain
let server: TestServer
let recorder: Recorder
let boss: SignedIn
let judge: SignedIn
let ann: SignedIn
beforeAll(async () => {
  ;[world, chain] = await Promise.all([openWorld(), startChain()])
  const ledger = await deployTestLedger(chain, WINDOW_SECONDS)
  server = await world.server({
    BLOCKCHAIN_RPC_URL: chain.rpcUrl,
    BLOCKCHAIN_NETWORK_ID: String(chain.chainId),
    CONTRACT_ADDRESS: ledger.address,
  })
  recorder = createRecorder({
    store: openEpochStore(world.pool),
    chain: ledgerOf(chain, ledger),
    clock: { now: Date.now, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    log: { info: () => undefined, error: () => undefined },
    pollMs: 5,
  })
  boss = await admin(server)
  judge = await withRole('Judge', 'validator')
  ann = await guest(server, 'Ann')
})
afterAll(async () => {
  await world.close()
  await chain.stop()
})

const withRole = async (username: string, role: Role): Promise<SignedIn> => {
  const signedIn = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username, password: 'long enough' },
  })
  await ask(server, 'POST', '/api/auth/role', { token: boss.token, body: { username, role } })
  return signedIn
}
/** A vote of Ann's that taught the reward model only, as its receipt says: it earned nothing. */
const unusedVote = async (by = ann): Promise<string> => {
  const { id } = vote(undefined)
  await ask(server, 'POST', '/api/feedback', { token: by.token, body: vote(await addSample(world.pool), { id }) })
  await world.pool.query(`update feedback set created_at = now() - interval '2 hours' where id = $1`, [id])
  await useVotes(world.pool, [id], { weight: 0, crowd: null, advantage: null })
  return id
}
const appeal = (feedbackId: string, by = ann, more: object = {}) =>
  request(server, 'POST', '/api/appeals', {
    token: by.token,
    body: { feedbackId, ground: 'not-counted', statement: 'I was there in time.', ...more },
  })
const file = async (feedbackId: string, by = ann): Promise<string> => {
  const { body } = (await appeal(feedbackId, by).expect(201)) as { body: { data: { id: string } } }
  return body.data.id
}
const decide = (id: string, outcome: 'upheld' | 'dismissed', by = judge) =>
  request(server, 'POST', `/api/appeals/${id}/decision`, {
    token: by.token,
    body: { outcome, reason: 'Looked at the log.' },
  })
const mine = async (id: string) =>
  (await ask<Appeal[]>(server, 'GET', '/api/appeals/mine', { token: ann.token })).find((one) => one.id === id)
const contributionsOf = (who: SignedIn) =>
  ask<ProofOfContribute[]>(server, 'GET', `/api/blockchain/contributions/${who.user.userId}`, { token: who.token })

test('an upheld appeal adds what the vote’s record lacks of a full credit in the next epoch, and is a validation of whoever decided it', async () => {
  const voteId = await unusedVote()
  const first = await recorder.closeEpoch()
  const id = await file(voteId)
  const [open] = await ask<AppealCase[]>(server, 'GET', '/api/appeals', { token: judge.token })
  expect(open).toMatchObject({
    id,
    state: 'open',
    vote: { humanRating: 8 },
    receipt: { weight: 0, crowd: null },
    record: { epochId: first?.epochId, credit: 0, reason: 'unused' },
    mayDecide: true,
  })
  expect(JSON.stringify(open)).not.toContain(ann.user.userId)

  await decide(id, 'upheld').expect(200)
  expect(await mine(id)).toMatchObject({
    state: 'upheld',
    decision: { reason: 'Looked at the log.' },
    correction: null,
  })
  const second = await recorder.closeEpoch()
  expect(second).toMatchObject({ epochId: (first?.epochId ?? 0) + 1, count: 2 })
  expect(await mine(id)).toMatchObject({ correction: { epochId: second?.epochId, credit: 100 } })
  expect(
    (await contributionsOf(ann))
      .filter((one) => one.feedbackId === voteId)
      .map((one) => [one.contributionType, one.feedbackProvided, one.rewardTokens]),
  ).toEqual([
    ['feedback', 0, 100],
    ['feedback', 1, 0],
  ])
  const [validation] = await contributionsOf(judge)
  expect(validation).toMatchObject({
    contributionType: 'validation',
    feedbackId: null,
    qualityScore: 1,
    rewardTokens: 100,
  })
  // C3: these proofs are proofs like a vote's.
  expect(
    await ask(server, 'POST', '/api/blockchain/verify-contribution', { body: { proof: validation?.merkleProof } }),
  ).toEqual({ valid: true })
  expect(await recorder.closeEpoch()).toBeNull()
})

test('C5 an appeal is no way around what earns nothing: not for a made-up text, nor for an answer on which voting had closed', async () => {
  const eve = await withRole('Eve of texts', 'contributor')
  const body = vote(undefined, { inputText: 'a question', modelResponse: 'made up' })
  await ask(server, 'POST', '/api/feedback', { token: eve.token, body })
  const late = vote(await addSample(world.pool, 'closed'))
  await ask(server, 'POST', '/api/feedback', { token: eve.token, body: late })
  await world.pool.query(`update feedback set created_at = created_at - interval '1 hour' where user_id = $1`, [
    eve.user.userId,
  ])
  await useVotes(world.pool, [body.id, late.id], { weight: 0, crowd: null, advantage: null })
  await recorder.closeEpoch()
  for (const id of [body.id, late.id]) {
    await decide(await file(id, eve), 'upheld')
  }
  await recorder.closeEpoch()
  const all = await contributionsOf(eve)
  expect(all.map((one) => [one.feedbackId, one.rewardTokens, one.noCredit])).toEqual([
    [late.id, 0, 'closed'],
    [body.id, 0, 'text'],
    [late.id, 0, 'closed'],
    [body.id, 0, 'text'],
  ])
})

test('a dismissed appeal changes nothing but what its adjudicator has contributed', async () => {
  const voteId = await unusedVote()
  const id = await file(voteId)
  await decide(id, 'dismissed').expect(200)
  // The vote and the validation.
  expect(await recorder.closeEpoch()).toMatchObject({ count: 2 })
  expect(await mine(id)).toMatchObject({ state: 'dismissed', correction: null })
})

test('a correction waits until its vote is recorded', async () => {
  const id = await file(await unusedVote())
  await decide(id, 'upheld')
  expect(await recorder.closeEpoch()).toMatchObject({ count: 2 })
  expect(await mine(id)).toMatchObject({ correction: null })
  expect(await recorder.closeEpoch()).toMatchObject({ count: 1 })
  expect(await mine(id)).toMatchObject({ correction: { credit: 100 } })
})

test('who has something to gain decides nothing: not the author, not the run’s owner, nobody without the permission', async () => {
  const id = await file(await unusedVote())
  expect(await decide(id, 'upheld', boss)).toMatchObject({
    status: 403,
    body: { message: expect.stringContaining('your own run') },
  })
  expect(await decide(id, 'upheld', ann)).toMatchObject({
    status: 403,
    body: { message: expect.stringContaining('adjudicate') },
  })
  const ownId = await file(await unusedVote(judge), judge)
  expect(await decide(ownId, 'upheld')).toMatchObject({
    status: 403,
    body: { message: expect.stringContaining('your own vote') },
  })
  const cases = await ask<AppealCase[]>(server, 'GET', '/api/appeals', { token: judge.token })
  expect(cases.map((one) => [one.id, one.mayDecide])).toEqual([
    [id, true],
    [ownId, false],
  ])
  await world.pool.query('delete from appeals where outcome is null')
})

test('an appeal is decided once, also by two who decide at the same moment', async () => {
  const id = await file(await unusedVote())
  const other = await withRole('Other judge', 'validator')
  const answers = await Promise.all([decide(id, 'upheld'), decide(id, 'dismissed', other)])
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409])
  const { rows } = await world.pool.query(
    "select kind from contributions where appeal_id = $1 and kind = 'validation'",
    [id],
  )
  expect(rows).toHaveLength(1)
})

test('a vote is appealed once, by its author, while it stands', async () => {
  const voteId = await unusedVote()
  await appeal(voteId).expect(201)
  await appeal(voteId).expect(409)
  await appeal(await unusedVote(judge)).expect(404)
  await appeal(randomUUID()).expect(404)
  expect(await appeal(voteId, ann, { ground: 'because' })).toMatchObject({ status: 400, body: { path: 'ground' } })
  expect(await appeal(voteId, ann, { statement: ' ' })).toMatchObject({ status: 400, body: { path: 'statement' } })
  const withdrawn = vote(await addSample(world.pool))
  await ask(server, 'POST', '/api/feedback', { token: ann.token, body: withdrawn })
  await ask(server, 'DELETE', `/api/feedback/${withdrawn.id}`, { token: ann.token })
  await appeal(withdrawn.id).expect(404)
})

test(`${rewardLimits.openAppeals} of one person’s appeals may wait; an erased person leaves no words and no open appeal behind`, async () => {
  const eve = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username: 'Eve', password: 'long enough' },
  })
  const votes: string[] = []
  for (let n = 0; n <= rewardLimits.openAppeals; n++) votes.push(await unusedVote(eve))
  const last = votes.pop() ?? ''
  const decided = await file(votes[0]!, eve)
  for (const voteId of votes.slice(1)) await appeal(voteId, eve).expect(201)
  expect(await appeal(last, eve)).toMatchObject({ status: 429, body: { error: 'too-frequent' } })
  await decide(decided, 'dismissed')
  await appeal(last, eve).expect(201)

  expect(
    (await ask<{ appeals: Appeal[] }>(server, 'GET', '/api/auth/export', { token: eve.token })).appeals,
  ).toHaveLength(rewardLimits.openAppeals + 1)
  await ask(server, 'DELETE', '/api/auth/me', { token: eve.token })
  const { rows } = await world.pool.query('select statement, outcome from appeals where user_id = $1', [
    eve.user.userId,
  ])
  expect(rows).toEqual([{ statement: '', outcome: 'dismissed' }])
})

test('an appeal has to come before the epoch that holds the vote is final, and a chain that is away is no answer to that', async () => {
  const [inTime, tooLate] = [await unusedVote(), await unusedVote()]
  await recorder.closeEpoch()
  await appeal(inTime).expect(201)
  await chain.control.increaseTime({ seconds: WINDOW_SECONDS + 1 })
  await chain.control.mine({ blocks: 1 })
  expect(await appeal(tooLate)).toMatchObject({ status: 409, body: { message: expect.stringContaining('is final') } })
  await chain.kill()
  await appeal(tooLate).expect(503)
})

test('an admin gives roles, to accounts and not to themselves', async () => {
  const give = (username: string, by = boss) =>
    request(server, 'POST', '/api/auth/role', { token: by.token, body: { username, role: 'validator' } })
  await give('Judge', judge).expect(403)
  await give('admin').expect(403)
  await give('nobody').expect(404)
  await give('Ann').expect(409)
})
