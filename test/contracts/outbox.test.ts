/** The one step by which epochs, claims and orders go out: it may end anywhere, and what it brings on happens once. */
import { parseEther } from 'ethers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OutboxSender, type Policy, type Sent, bringOn } from '../../contracts/ledger/client/outbox.ts'
import { type Sender, openSender } from '../../contracts/ledger/client/transactions.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { type Fault, Killed, faulty, kill } from '../helpers/chain-faults.ts'

let chain: TestChain
let sender: Sender
beforeAll(async () => {
  chain = await startChain()
  sender = openSender(chain.provider, RECORDER.privateKey)
})
afterAll(() => chain.stop())

type Row = { nonce: number | null; hashes: Hex[] }
const COIN = parseEther('1')
const held = () => chain.provider.getBalance(STRANGER.address)

/** One payment with a nonce that it keeps, as the treasury's are; `row` is what survives. */
function payment(row: Row, fault: Fault, over: Partial<Policy<'paid' | 'overtaken'>> = {}) {
  let next = 0
  const nonce = (): number => row.nonce ?? next
  const node = faulty({ ...sender }, fault)
  const policy: Policy<'paid' | 'overtaken'> = {
    patienceMs: 0,
    waits: () => true,
    async look() {
      next = await node.nonce()
      for (const hash of row.hashes)
        if ((await node.outcome(hash)) === 'success') return { state: 'settled', done: 'paid' }
      return next > nonce() ? { state: 'settled', done: 'overtaken' } : 'open'
    },
    ...over,
  }
  const store = faulty(
    {
      async markSigned({ txHash }: { txHash: Hex }) {
        row.nonce = nonce()
        row.hashes.push(txHash)
      },
    },
    fault,
  )
  const own: OutboxSender = {
    sign: (bumps) => node.sign({ to: STRANGER.address, data: '0x', value: COIN }, bumps, nonce()),
    send: (raw) => node.send(raw),
  }
  const sent = (): Sent => ({ txHash: row.hashes.at(-1) ?? null, ageMs: 1, bumps: Math.max(0, row.hashes.length - 1) })
  return () => bringOn(sent(), policy, store, own)
}

const never = (): Fault => ({ calls: 0, at: -1, when: 'before', strike: kill })

/** Steps until it is settled; an end on the way is a new start. */
async function paid(row: Row, fault: Fault): Promise<'paid' | 'overtaken'> {
  for (;;) {
    try {
      const step = await payment(row, fault)()
      if (step.state === 'settled') return step.done
    } catch (error) {
      if (!(error instanceof Killed)) throw error
    }
  }
}

it('ended at any await, it goes on from what was stored, and the money leaves once', async () => {
  const counting = never()
  expect(await paid({ nonce: null, hashes: [] }, counting)).toBe('paid')
  expect(counting.calls).toBeGreaterThanOrEqual(6)
  for (let at = 0; at < counting.calls; at++) {
    for (const when of ['before', 'after'] as const) {
      const before = await held()
      const row: Row = { nonce: null, hashes: [] }
      expect(await paid(row, { calls: 0, at, when, strike: kill }), `${when} call ${at}`).toBe('paid')
      expect((await held()) - before, `${when} call ${at}`).toBe(COIN)
    }
  }
})

it('what no block takes is replaced by what bids more, by the same nonce, once it has waited', async () => {
  const before = await held()
  const row: Row = { nonce: null, hashes: [] }
  await chain.control.setAutomine(false)
  try {
    expect(await payment(row, never())()).toMatchObject({ state: 'sent', replaced: false, bumps: 0 })
    expect(await payment(row, never(), { patienceMs: 60_000 })()).toEqual({ state: 'waits' })
    expect(await payment(row, never())()).toMatchObject({ state: 'sent', replaced: true, bumps: 1 })
    const last = await chain.provider.getTransaction(row.hashes.at(-1) ?? '')
    expect(last?.nonce).toBe(row.nonce)
  } finally {
    await chain.control.setAutomine(true)
    await chain.control.mine({ blocks: 1 })
  }
  expect(await paid(row, never())).toBe('paid')
  expect((await held()) - before).toBe(COIN)
})

it('a node that another transaction waits at with as high a fee makes the next one bid more', async () => {
  const row: Row = { nonce: null, hashes: [] }
  await chain.control.setAutomine(false)
  try {
    const nonce = await sender.nonce()
    const dearer = await sender.sign({ to: RECORDER.address, data: '0x', value: 1n }, 6, nonce)
    await sender.send(dearer.raw)
    expect(await payment(row, never())()).toMatchObject({ state: 'sent', replaced: false, bumps: 1 })
  } finally {
    await chain.control.setAutomine(true)
    await chain.control.mine({ blocks: 1 })
  }
  expect(await paid(row, never())).toBe('overtaken')
})

it('a refusal goes to the policy that takes it, and is thrown where none does; a node that is away is always thrown', async () => {
  const heard: string[] = []
  const item: Sent = { txHash: null, ageMs: 0, bumps: 0 }
  const policy: Policy<never> = { patienceMs: 0, waits: () => true, look: async () => 'open' }
  const taking: Policy<never> = { ...policy, refused: async ({ code }) => void heard.push(code) }
  const store = { markSigned: () => Promise.reject(new Error('nothing was signed')) }
  const failing = (code: 'reverted' | 'unreachable'): OutboxSender => ({
    sign: () => Promise.reject(new LedgerError(code, code)),
    send: () => Promise.reject(new Error('nothing was signed')),
  })
  expect(await bringOn(item, taking, store, failing('reverted'))).toEqual({ state: 'refused' })
  expect(heard).toEqual(['reverted'])
  await expect(bringOn(item, policy, store, failing('reverted'))).rejects.toMatchObject({ code: 'reverted' })
  await expect(bringOn(item, taking, store, failing('unreachable'))).rejects.toMatchObject({ code: 'unreachable' })
  expect(heard).toEqual(['reverted'])
})

it('what a block takes between the look and the signing is settled, though the contract then refuses it', async () => {
  const looks = ['open', { state: 'settled', done: 'paid' }] as const
  let look = 0
  const policy: Policy<'paid'> = {
    patienceMs: 0,
    waits: () => true,
    look: () => Promise.resolve(looks[look++] ?? 'open'),
    refused: () => Promise.reject(new Error('nobody may be told that it was refused')),
  }
  const refusing: OutboxSender = {
    sign: () => Promise.reject(new LedgerError('reverted', 'NothingToPay')),
    send: () => Promise.reject(new Error('nothing was signed')),
  }
  const store = { markSigned: () => Promise.reject(new Error('nothing was signed')) }
  const sent: Sent = { txHash: '0x01', ageMs: 1, bumps: 0 }
  expect(await bringOn(sent, policy, store, refusing)).toEqual({ state: 'settled', done: 'paid' })
})
