/**
 * A world that pays: a chain with Attune's contracts, a server on it, and a recorder that closes an epoch when it is
 * told to.
 */
import { parseEther } from 'ethers'
import { afterAll } from 'vitest'
import { distributorInterface, ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { createRecorder, type Recorder } from '../../contracts/recorder/recorder.ts'
import { openEpochStore } from '../../core/db/epochs.ts'
import type { SignedIn, SessionBounties } from '../../core/protocol/index.ts'
import { deploySystem } from '../../scripts/deploy/system.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf, signInMessage } from '../helpers/accounts.ts'
import { ZERO_ADDRESS } from '../helpers/hashes.ts'
import { ADMIN, RECORDER, STRANGER, startChain, type TestChain } from '../helpers/chain.ts'
import { ledgerOf, sender } from '../helpers/ledger.ts'
import { addSample, ask, openWorld, useOpened, useVotes, vote, type TestServer, type World } from './attune.ts'

export interface PayingWorld {
  world: World
  chain: TestChain
  server: TestServer
  /** What a server needs to be on this chain. */
  environment: Record<string, string>
  contracts: { ledger: Address; distributor: Address; token: Address }
  distributor: ReturnType<typeof sender>
  ledger: ReturnType<typeof sender>
  recorder: Recorder
  /**
   * STRANGER's bounty for the demo in the chain's coin: funds it, and waits until the server has seen that. Gives its
   * id.
   */
  fund: (amount: bigint, perCredit: bigint) => Promise<Hex>
  /** A vote that a step has used, of somebody who has qualified: 100 credits, in the next epoch. */
  usedVote: (by: SignedIn) => Promise<string>
  pass: (seconds: number) => Promise<void>
  close: () => Promise<void>
}

export async function openPayingWorld({
  disputeWindow = 0,
  disputeBond = 0n,
  more = {},
}: { disputeWindow?: number; disputeBond?: bigint; more?: Record<string, string> } = {}): Promise<PayingWorld> {
  const [world, chain] = await Promise.all([openWorld(), startChain()])
  const { contracts: deployed } = await deploySystem({
    rpcUrl: chain.rpcUrl,
    privateKey: ADMIN.privateKey,
    recorder: RECORDER.address,
    disputeWindow,
    disputeBond,
    tokenCap: parseEther('1000'),
  })
  if (deployed.token === undefined) throw new Error('no token')
  const contracts = {
    ledger: deployed.ledger.address,
    distributor: deployed.distributor.address,
    token: deployed.token.address,
  }
  const environment = {
    BLOCKCHAIN_RPC_URL: chain.rpcUrl,
    BLOCKCHAIN_NETWORK_ID: String(chain.chainId),
    CONTRACT_ADDRESS: contracts.ledger,
    DISTRIBUTOR_ADDRESS: contracts.distributor,
    BLOCKCHAIN_POLL_INTERVAL: '100',
    ...more,
  }
  const server = await world.server(environment)
  const distributor = sender(chain, { address: contracts.distributor, abi: distributorInterface })
  const recorder = createRecorder({
    store: openEpochStore(world.pool),
    chain: ledgerOf(
      chain,
      { address: contracts.ledger, chainId: chain.chainId },
      { distributor: contracts.distributor },
    ),
    clock: { now: Date.now, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    log: { info: () => undefined, error: () => undefined },
    pollMs: 5,
  })
  return {
    world,
    chain,
    server,
    environment,
    contracts,
    distributor,
    recorder,
    ledger: sender(chain, { address: contracts.ledger, abi: ledgerInterface }),
    async fund(amount, perCredit) {
      await distributor.send(STRANGER.privateKey, 'fund', [sessionKey('demo'), ZERO_ADDRESS, amount, perCredit], amount)
      const id = await distributor.read<Hex>('bountyOf', [sessionKey('demo'), STRANGER.address, ZERO_ADDRESS])
      const [, , , , funded] = await distributor.read<readonly [unknown, unknown, unknown, unknown, bigint]>(
        'bounties',
        [id],
      )
      await untilTrue('the server has seen the bounty', async () => {
        const { rows } = await world.pool.query(
          'select from bounties where id = $1 and funded = $2 and per_credit = $3',
          [id, String(funded), String(perCredit)],
        )
        return rows.length === 1
      })
      return id
    },
    async usedVote(by) {
      const { id } = vote(undefined)
      await ask(server, 'POST', '/api/feedback', { token: by.token, body: vote(await addSample(world.pool), { id }) })
      await world.pool.query(`update feedback set created_at = now() - interval '1 minute' where id = $1`, [id])
      await useVotes(world.pool, [id])
      return id
    },
    async pass(seconds) {
      await chain.control.increaseTime({ seconds })
      await chain.control.mine({ blocks: 1 })
    },
    async close() {
      await world.close()
      await chain.stop()
    },
  }
}

/** A world that pays for all tests of a file, closed after the last. */
export function usePayingWorld(...options: Parameters<typeof openPayingWorld>): PayingWorld {
  const paying = useOpened(() => openPayingWorld(...options))
  afterAll(() => paying.close())
  return paying
}

/** Links a wallet to somebody's account, as the page does. */
export async function linkWallet(server: TestServer, who: SignedIn, privateKey: Hex): Promise<void> {
  const account = accountOf(privateKey)
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce')
  const message = signInMessage({ address: account.address, nonce })
  await ask(server, 'POST', '/api/auth/wallet/verify', {
    token: who.token,
    body: { message, signature: await account.signMessage(message) },
  })
}

/** What the server shows of the demo's bounties. */
export const bountiesOfDemo = (server: TestServer, who: SignedIn) =>
  ask<SessionBounties>(server, 'GET', '/api/bounties/demo', { token: who.token })

export async function untilTrue(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let patience = 300; patience > 0; patience--) {
    if (await look()) return
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  throw new Error(`still not: ${what}`)
}
