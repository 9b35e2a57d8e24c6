import { randomBytes } from 'node:crypto'
import { type Interface, type TransactionReceipt, hexlify, isError } from 'ethers'
import { type LedgerOptions, openLedger } from '../../contracts/ledger/client/chain.ts'
import { type BuiltEpoch, type EpochInput, type EpochRoots, buildEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import type { ContributionRecord, LedgerId } from '../../contracts/ledger/epoch/leaf.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { Market } from '../../contracts/ledger/epoch/payout.ts'
import type { LedgerChain } from '../../contracts/ledger/epoch/ports.ts'
import { QUALIFYING_VOTES } from '../../contracts/ledger/epoch/standing.ts'
import { type DeployOptions, deploySystem } from '../../scripts/deploy/system.ts'
import { accountOf } from './accounts.ts'
import { ADMIN, RECORDER, type TestChain, mined } from './chain.ts'
import { decodedError, decodedResult } from './decoded.ts'
import { hashOfNumber, hashOfText } from './hashes.ts'

/** Deploys a new ledger on a test chain, its admin and its recorder two accounts. */
export async function deployTestLedger(
  chain: TestChain,
  disputeWindow = 0,
  more: Partial<DeployOptions> = {},
): Promise<TestLedger> {
  const { contracts, chainId } = await deploySystem({
    rpcUrl: chain.rpcUrl,
    privateKey: ADMIN.privateKey,
    recorder: RECORDER.address,
    disputeWindow,
    salt: hexlify(randomBytes(32)) as Hex,
    ...more,
  })
  return { chainId, address: contracts.ledger.address, distributor: contracts.distributor.address }
}

export type TestLedger = { chainId: number; address: Address; distributor: Address }

/** The recorder's port to it. */
export function ledgerOf(
  chain: TestChain,
  { address, chainId }: Omit<TestLedger, 'distributor'>,
  over: Partial<LedgerOptions> = {},
) {
  return openLedger({ rpcUrl: chain.rpcUrl, address, chainId, privateKey: RECORDER.privateKey, ...over })
}

/** Calls a contract by name; `send` rejects with the contract's error by name, before anything is sent. */
export function sender({ provider }: TestChain, { address: to, abi }: { address: Address; abi: Interface }) {
  return {
    async send(key: Hex, name: string, args: readonly unknown[] = [], value = 0n): Promise<TransactionReceipt> {
      const data = abi.encodeFunctionData(name, args)
      const { hash } = await refusedByName(abi, accountOf(key).connect(provider).sendTransaction({ to, data, value }))
      return mined({ provider }, hash)
    },
    async read<T>(name: string, args: readonly unknown[] = []): Promise<T> {
      const data = abi.encodeFunctionData(name, args)
      return decodedResult(abi, name, (await refusedByName(abi, provider.call({ to, data }))) as Hex) as T
    },
  }
}

async function refusedByName<T>(abi: Interface, request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    if (!isError(error, 'CALL_EXCEPTION') || error.data === null) throw error
    throw new Error(`refused: ${decodedError(abi, error.data)}`, { cause: error })
  }
}

/** What a vote's record says where nothing keeps it from earning. */
export const GOOD_VOTE = { produced: true, late: false, weight: 0.5, reliability: 0.6, updated: true }

/** A vote of somebody who has qualified, with everything derived from its number, salt included. */
export function testRecord(n: number, over: Partial<ContributionRecord> = {}): ContributionRecord {
  return {
    recordId: uuid(n),
    contributorId: uuid(1_000_000 + (n % 7)),
    walletAddress: null,
    payee: payeeOf(over.contributorId ?? uuid(1_000_000 + (n % 7))),
    sessionId: 'demo',
    kind: 'feedback',
    payload: { sample: hashOfNumber(n), rating: (n % 10) + 1, value: 0.8436, ...GOOD_VOTE },
    usedInStep: n,
    at: 1_767_225_600 + 6 * n,
    secondsPerAnswer: 6,
    comparable: QUALIFYING_VOTES,
    salt: hashOfText(`salt ${n}`),
    ...over,
  }
}

/** A person's payee number. */
export function payeeOf(contributorId: string): Hex {
  return hashOfText(`payee ${contributorId}`)
}

/** A market without bounties. */
export const NO_MARKET: Market = { block: 0n, time: 0, rejectedAt: 0, offers: [] }

/** The first epoch over some records, where nothing is paid. */
export function testEpoch(
  ledger: LedgerId,
  records: readonly ContributionRecord[],
  over: Partial<EpochInput> = {},
): BuiltEpoch {
  return buildEpoch({
    ledger,
    distributor: null,
    epochId: 1,
    rejections: 0,
    records,
    previous: null,
    links: [],
    market: NO_MARKET,
    ...over,
  })
}

/** Sends an epoch and waits until a block holds it. */
export async function submit(chain: TestChain, ledger: LedgerChain, epoch: EpochRoots): Promise<Hex> {
  const { raw, txHash } = await ledger.sign(epoch, 0)
  await ledger.send(raw)
  await mined(chain, txHash)
  return txHash
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
}
