import { randomBytes } from 'node:crypto'
import { type Abi, type Address, type Hex, bytesToHex, createWalletClient, http, keccak256, toHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { ledgerAbi } from '../../contracts/ledger/client/abi-viem.ts'
import { type LedgerOptions, openLedger } from '../../contracts/ledger/client/chain.ts'
import { type BuiltEpoch, type EpochInput, type EpochRoots, buildEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import type { ContributionRecord, LedgerId } from '../../contracts/ledger/epoch/leaf.ts'
import type { Market } from '../../contracts/ledger/epoch/payout.ts'
import type { LedgerChain } from '../../contracts/ledger/epoch/ports.ts'
import { QUALIFYING_VOTES } from '../../contracts/ledger/epoch/standing.ts'
import { type DeployOptions, deploySystem } from '../../scripts/deploy/system.ts'
import { ADMIN, RECORDER, type TestChain } from './chain.ts'

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
    salt: bytesToHex(randomBytes(32)),
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

/** Calls the contract as an account: `write` sends and waits, `read` is a view. */
export function callsOf(chain: TestChain, { address }: TestLedger, privateKey: Hex = RECORDER.privateKey) {
  const account = privateKeyToAccount(privateKey)
  const wallet = createWalletClient({ account, chain: chain.client.chain, transport: http(chain.rpcUrl) })
  const contract = { address, abi: ledgerAbi } as const
  return { account, wallet, contract }
}

/**
 * Calls any contract by name; `send` rejects with the contract's error by name. The contract itself refuses wrong
 * arguments.
 */
export function sender(chain: TestChain, contract: { address: Address; abi: Abi | readonly unknown[] }) {
  type Call = Parameters<typeof chain.client.simulateContract>[0]
  return {
    async send(key: Hex, functionName: string, args: readonly unknown[] = [], value?: bigint) {
      const account = privateKeyToAccount(key)
      const wallet = createWalletClient({ account, chain: chain.client.chain, transport: http(chain.rpcUrl) })
      const { request } = await chain.client.simulateContract({
        ...contract,
        account,
        functionName,
        args,
        value,
      } as Call)
      return chain.client.waitForTransactionReceipt({ hash: await wallet.writeContract(request as never) })
    },
    async read<T>(functionName: string, args: readonly unknown[] = []): Promise<T> {
      return (await chain.client.readContract({ ...contract, functionName, args })) as T
    },
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
    payload: { sample: keccak256(toHex(n)), rating: (n % 10) + 1, value: 0.8436, ...GOOD_VOTE },
    usedInStep: n,
    at: 1_767_225_600 + 6 * n,
    secondsPerAnswer: 6,
    comparable: QUALIFYING_VOTES,
    salt: keccak256(toHex(`salt ${n}`)),
    ...over,
  }
}

/** A person's payee number. */
export function payeeOf(contributorId: string): Hex {
  return keccak256(toHex(`payee ${contributorId}`))
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
  await chain.client.waitForTransactionReceipt({ hash: txHash })
  return txHash
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
}
