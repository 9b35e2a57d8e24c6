import { type Hex, createWalletClient, http, keccak256, toHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { ledgerAbi } from '../../contracts/abi.ts'
import { openLedger } from '../../contracts/chain.ts'
import type { ContributionRecord } from '../../contracts/leaf.ts'
import { type Deployment, deployLedger } from '../../scripts/deploy.ts'
import { ADMIN, RECORDER, type TestChain } from './chain.ts'

/** Deploys a ledger on a test chain, its admin and its recorder two accounts. */
export async function deployTestLedger(chain: TestChain, disputeWindow = 0): Promise<Deployment> {
  return deployLedger({
    rpcUrl: chain.rpcUrl,
    privateKey: ADMIN.privateKey,
    admin: ADMIN.address,
    recorder: RECORDER.address,
    disputeWindow,
  })
}

/** The recorder's port to it. */
export function ledgerOf(chain: TestChain, { address, chainId }: Deployment, privateKey: Hex = RECORDER.privateKey) {
  return openLedger({ rpcUrl: chain.rpcUrl, address, chainId, privateKey })
}

/** Calls the contract as an account: `write` sends and waits, `read` is a view. */
export function callsOf(chain: TestChain, { address }: Deployment, privateKey: Hex = RECORDER.privateKey) {
  const account = privateKeyToAccount(privateKey)
  const wallet = createWalletClient({ account, chain: chain.client.chain, transport: http(chain.rpcUrl) })
  const contract = { address, abi: ledgerAbi } as const
  return { account, wallet, contract }
}

/** A record with everything derived from its number, salt included. */
export function testRecord(n: number, over: Partial<ContributionRecord> = {}): ContributionRecord {
  return {
    recordId: uuid(n),
    contributorId: uuid(1_000_000 + (n % 7)),
    walletAddress: null,
    sessionId: 'demo',
    kind: 'feedback',
    payload: { sample: keccak256(toHex(n)), rating: (n % 10) + 1, value: 0.8436 },
    usedInStep: n,
    salt: keccak256(toHex(`salt ${n}`)),
    ...over,
  }
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
}
