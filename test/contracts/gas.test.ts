import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { parseEther } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distributorInterface, ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { rewardLeaf } from '../../contracts/ledger/epoch/leaf.ts'
import { type EpochGas, measureGas } from '../../scripts/bench/gas.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, hashOfNumber, hashOfText } from '../helpers/hashes.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { deployTestLedger, sender } from '../helpers/ledger.ts'

let chain: TestChain
let epochs: readonly EpochGas[]
let single: number
beforeAll(async () => {
  chain = await startChain()
  ;({ epochs, single } = await measureGas(chain.rpcUrl, [100, 10_000], () => undefined))
})
afterAll(() => chain.stop())

/** Of the one account that an epoch with so many leaves names, by its own transaction. */
async function firstClaim(leaves: number): Promise<number> {
  const { chainId, address, distributor } = await deployTestLedger(chain)
  const pot = sender(chain, { address: distributor, abi: distributorInterface })
  const session = hashOfText('a session')
  await pot.send(ADMIN.privateKey, 'fund', [session, ZERO_ADDRESS, parseEther('1'), 1n], parseEther('1'))
  const bounty = await pot.read<Hex>('bountyOf', [session, ADMIN.address, ZERO_ADDRESS])
  const [account, amount] = [STRANGER.address, parseEther('0.0123456789')]
  const others = Array.from({ length: leaves - 1 }, (_, n) => hashOfNumber(n))
  const tree = SimpleMerkleTree.of([rewardLeaf({ chainId, ledger: address }, 1, bounty, account, amount), ...others])
  await sender(chain, { address, abi: ledgerInterface }).send(RECORDER.privateKey, 'submitEpoch', [
    1n,
    session,
    tree.root,
    session,
    1,
    0,
  ])
  const { gasUsed } = await pot.send(STRANGER.privateKey, 'claim', [1n, bounty, account, amount, tree.getProof(0)])
  return Number(gasUsed)
}

/** Every epoch's, whatever its size. */
const COMMIT = 99_550
/** Hashes differ in how many of their bytes are zero: so many gas of calldata two commits may differ by. */
const HASHES = 200

describe('gas', () => {
  it('of an epoch commit does not grow with the epoch, and is at most 10 a contribution at 10,000', () => {
    expect(COMMIT + HASHES).toBeLessThanOrEqual(10 * 10_000)
    for (const { commit } of epochs) expect(Math.abs(commit - COMMIT)).toBeLessThan(HASHES)
  })

  it('of a claim is at most 80,000, the first and later ones, in the own coin and later in a token', () => {
    for (const { claimNative, claimNativeAgain, claimTokenAgain } of epochs) {
      for (const gas of [claimNative, claimNativeAgain, claimTokenAgain]) expect(gas).toBeLessThanOrEqual(80_000)
    }
  })

  it('of a first claim in the own coin is under 80,000 in a tree of 100,000 leaves: a doubling adds some 650', async () => {
    const [small, large] = [await firstClaim(2 ** 8), await firstClaim(2 ** 12)]
    const doubling = (large - small) / 4
    expect(doubling).toBeGreaterThan(600)
    expect(doubling).toBeLessThan(700)
    expect(large + (17 - 12) * doubling).toBeLessThan(80_000)
  })

  it('of recording a vote singly, in the seed’s way, is thousands of times that of its share in an epoch of 10,000', () => {
    expect(single / (COMMIT / 10_000)).toBeGreaterThan(4_000)
  })
})
