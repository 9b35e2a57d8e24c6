import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { parseEther } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distributorInterface, ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { allocationLeaf, rewardLeaf, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf, signClaim } from '../helpers/accounts.ts'
import { ZERO_ADDRESS, hashOfText } from '../helpers/hashes.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain, timeOf } from '../helpers/chain.ts'
import { type TestLedger, deployTestLedger, sender } from '../helpers/ledger.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

const DAY = 86_400
const SESSION = sessionKey('demo')
const rater = accountOf(hashOfText('a rater'))

/** A ledger with a distributor, and a bounty of a sponsor (STRANGER) in the native coin. */
async function open(disputeWindow = 0) {
  const deployed = await deployTestLedger(chain, disputeWindow)
  const ledger = sender(chain, { address: deployed.address, abi: ledgerInterface })
  const distributor = sender(chain, { address: deployed.distributor, abi: distributorInterface })
  const fund = (amount: bigint, perCredit = 1n) =>
    distributor.send(STRANGER.privateKey, 'fund', [SESSION, ZERO_ADDRESS, amount, perCredit], amount)
  const bounty = await distributor.read<Hex>('bountyOf', [SESSION, STRANGER.address, ZERO_ADDRESS])
  return { deployed, ledger, distributor, fund, bounty }
}

type Owed = { bounty: Hex; account: Address; amount: bigint }

/** Records an epoch in which these are owed, and gives the arguments of each one's claim. */
async function record(deployed: TestLedger, epochId: number, owed: readonly Owed[]) {
  const ledger = sender(chain, { address: deployed.address, abi: ledgerInterface })
  const id = { chainId: deployed.chainId, ledger: deployed.address }
  const bounties = [...new Set(owed.map(({ bounty }) => bounty))]
  const allocated = (of: Hex) => owed.reduce((sum, { bounty, amount }) => (bounty === of ? sum + amount : sum), 0n)
  const leaves = [
    ...owed.map(({ bounty, account, amount }) => rewardLeaf(id, epochId, bounty, account, amount)),
    ...bounties.map((bounty) => allocationLeaf(id, epochId, bounty, allocated(bounty))),
  ]
  const tree = SimpleMerkleTree.of(leaves)
  const content = hashOfText(`epoch ${epochId}`)
  await ledger.send(RECORDER.privateKey, 'submitEpoch', [BigInt(epochId), content, tree.root, content, 1, 0])
  return {
    claims: owed.map(
      ({ bounty, account, amount }, i) => [BigInt(epochId), bounty, account, amount, tree.getProof(i)] as const,
    ),
    refunds: bounties.map(
      (bounty, i) => [bounty, BigInt(epochId), allocated(bounty), tree.getProof(owed.length + i)] as const,
    ),
  }
}

const balance = (address: Address) => chain.provider.getBalance(address)
const pass = async (seconds: number) => {
  await chain.control.increaseTime({ seconds })
  await chain.control.mine({ blocks: 1 })
}

describe('a claim', () => {
  it('pays its account the difference to what it was paid before, whoever sends it', async () => {
    const { deployed, distributor, fund, bounty } = await open()
    await fund(1_000n)
    const before = await balance(rater.address)
    const first = await record(deployed, 1, [{ bounty, account: rater.address, amount: 300n }])
    await distributor.send(RECORDER.privateKey, 'claim', first.claims[0])
    expect((await balance(rater.address)) - before).toBe(300n)
    const second = await record(deployed, 2, [{ bounty, account: rater.address, amount: 450n }])
    await distributor.send(RECORDER.privateKey, 'claim', second.claims[0])
    expect((await balance(rater.address)) - before).toBe(450n)
    for (const again of [first, second])
      await expect(distributor.send(RECORDER.privateKey, 'claim', again.claims[0])).rejects.toThrow('NothingToPay')
  })

  it('of one bounty takes nothing from another', async () => {
    const { deployed, distributor, fund, bounty } = await open()
    await fund(100n)
    await distributor.send(ADMIN.privateKey, 'fund', [SESSION, ZERO_ADDRESS, 900n, 1n], 900n)
    const { claims } = await record(deployed, 1, [{ bounty, account: rater.address, amount: 101n }])
    await expect(distributor.send(RECORDER.privateKey, 'claim', claims[0])).rejects.toThrow('PotTooSmall')
  })

  it('counts only by a final epoch', async () => {
    const { deployed, distributor, fund, bounty } = await open(3_600)
    await fund(100n)
    const { claims } = await record(deployed, 1, [{ bounty, account: rater.address, amount: 100n }])
    await expect(distributor.send(RECORDER.privateKey, 'claim', claims[0])).rejects.toThrow('EpochNotFinal')
    await pass(3_600)
    await distributor.send(RECORDER.privateKey, 'claim', claims[0])
  })

  it('goes elsewhere only where its account says so', async () => {
    const { deployed, distributor, fund, bounty } = await open()
    await fund(100n)
    const { claims } = await record(deployed, 1, [{ bounty, account: rater.address, amount: 100n }])
    const [epochId, , account, amount, proof] = claims[0] ?? []
    if (amount === undefined) throw new Error('no claim')
    const recipient = accountOf(hashOfText('elsewhere')).address
    const deadline = (await timeOf(chain)) + 100n
    const message = { bounty, account: rater.address, amount, recipient, deadline }
    const signature = await signClaim(rater, { chainId: chain.chainId, distributor: deployed.distributor }, message)
    const claim = { epochId, bounty, account, amount, proof }
    await expect(
      distributor.send(RECORDER.privateKey, 'claimTo', [claim, RECORDER.address, deadline, signature]),
    ).rejects.toThrow('InvalidSignature')
    await distributor.send(RECORDER.privateKey, 'claimTo', [claim, recipient, deadline, signature])
    expect(await balance(recipient)).toBe(100n)
    await expect(
      distributor.send(RECORDER.privateKey, 'claimTo', [claim, recipient, deadline, signature]),
    ).rejects.toThrow('NothingToPay')
  })
})

describe('a closed bounty', () => {
  it('returns to its sponsor what it never owed, two days later, and still pays what it owes', async () => {
    const { deployed, distributor, fund, bounty } = await open()
    await fund(parseEther('1'))
    const { claims, refunds } = await record(deployed, 1, [{ bounty, account: rater.address, amount: 300n }])
    await expect(distributor.send(ADMIN.privateKey, 'refund', refunds[0])).rejects.toThrow('BountyNotClosed')
    await expect(distributor.send(ADMIN.privateKey, 'close', [bounty])).rejects.toThrow('NotSponsor')
    await distributor.send(STRANGER.privateKey, 'close', [bounty])
    await expect(distributor.send(ADMIN.privateKey, 'refund', refunds[0])).rejects.toThrow('TooEarly')
    await pass(2 * DAY)
    const before = await balance(STRANGER.address)
    await distributor.send(ADMIN.privateKey, 'refund', refunds[0])
    expect((await balance(STRANGER.address)) - before).toBe(parseEther('1') - 300n)
    await distributor.send(ADMIN.privateKey, 'claim', claims[0])
    await expect(distributor.send(ADMIN.privateKey, 'refund', refunds[0])).rejects.toThrow('NothingToPay')
  })
})
