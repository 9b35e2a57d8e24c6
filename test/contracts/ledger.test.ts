import { ConstructorFragment, type Fragment, FunctionFragment, Interface, NamedFragment, type ParamType } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distributorInterface, ledgerInterface, tokenInterface } from '../../contracts/ledger/client/abi.ts'
import { artifact } from '../../contracts/solidity/compile.ts'
import { creditOf } from '../../contracts/ledger/epoch/credit.ts'
import { readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { CONTRIBUTION_KINDS } from '../../contracts/ledger/epoch/leaf.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_HASH, hashOfBytes, hashOfText } from '../helpers/hashes.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { GOOD_VOTE, type TestLedger, deployTestLedger, sender, testEpoch, testRecord } from '../helpers/ledger.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

const content = (n: number) => [hashOfText(`c${n}`), hashOfText(`r${n}`), hashOfText(`m${n}`), 10, 0] as const

const contractOf = ({ address }: TestLedger) => sender(chain, { address, abi: ledgerInterface })
const send = (deployment: TestLedger, name: string, args: readonly unknown[], key: Hex = RECORDER.privateKey) =>
  contractOf(deployment).send(key, name, args)

describe('the ABI', () => {
  it.each([
    ['ContributionLedger', ledgerInterface.fragments],
    ['RewardDistributor', distributorInterface.fragments.filter((part) => !isNamed(part, 'EpochNotFinal'))], // the ledger's, which passes through
    ['AttuneToken', tokenInterface.fragments],
  ] as const)('of %s that Attune types is part of the one that was compiled', (name, typed) => {
    const compiled = new Set(new Interface(artifact(name).abi).fragments.map(signature))
    expect(typed.map(signature).filter((part) => !compiled.has(part))).toEqual([])
  })

  it('has the seed system’s functions under their selectors', () => {
    const seed = new Interface([
      'function recordContribution(string,string,string,uint8,uint256,uint256)',
      'function recordFeedback(string,string,string,uint256,uint256)',
      'function getContributorRewards(string) view returns (uint256)',
    ])
    const selectorsOf = (abi: Interface) => {
      const selectors: string[] = []
      abi.forEachFunction(({ selector }) => selectors.push(selector))
      return selectors
    }
    const compiled = selectorsOf(new Interface(artifact('ContributionLedger').abi))
    expect(selectorsOf(seed)).toHaveLength(3)
    for (const selector of selectorsOf(seed)) expect(compiled).toContain(selector)
  })
})

describe('epochs', () => {
  it('have consecutive ids from 1', async () => {
    const ledger = await deployTestLedger(chain)
    await expect(send(ledger, 'submitEpoch', [2n, ...content(2)])).rejects.toThrow('EpochOutOfOrder')
    await expect(send(ledger, 'submitEpoch', [0n, ...content(2)])).rejects.toThrow('EpochOutOfOrder')
    await send(ledger, 'submitEpoch', [1n, ...content(1)])
    await expect(send(ledger, 'submitEpoch', [3n, ...content(3)])).rejects.toThrow('EpochOutOfOrder')
    await send(ledger, 'submitEpoch', [2n, ...content(2)])
    expect(await contractOf(ledger).read('lastEpochId')).toBe(2n)
  })

  it('sent again change nothing, and with any other content are refused', async () => {
    const ledger = await deployTestLedger(chain)
    const first = await send(ledger, 'submitEpoch', [1n, ...content(1)])
    expect(first.logs).toHaveLength(1)
    const before = await contractOf(ledger).read('epochs', [1n])
    await chain.control.increaseTime({ seconds: 100 })
    const again = await send(ledger, 'submitEpoch', [1n, ...content(1)])
    expect(again.logs).toHaveLength(0)
    expect(await contractOf(ledger).read('epochs', [1n])).toEqual(before)
    const [c, r, m, n, k] = content(1)
    const other = hashOfBytes('0x00')
    for (const changed of [
      [other, r, m, n, k],
      [c, other, m, n, k],
      [c, r, other, n, k],
      [c, r, m, n + 1, k],
    ]) {
      await expect(send(ledger, 'submitEpoch', [1n, ...changed])).rejects.toThrow('EpochAlreadyRecorded')
    }
  })

  it('are never empty', async () => {
    const ledger = await deployTestLedger(chain)
    const [c, r, m] = content(1)
    await expect(send(ledger, 'submitEpoch', [1n, ZERO_HASH, r, m, 1, 0])).rejects.toThrow('EmptyEpoch')
    await expect(send(ledger, 'submitEpoch', [1n, c, r, m, 0, 0])).rejects.toThrow('EmptyEpoch')
  })

  it('are pending for the dispute window they were submitted under, then final', async () => {
    const ledger = await deployTestLedger(chain, 3_600)
    const status = (id: bigint) => contractOf(ledger).read('epochStatus', [id])
    await send(ledger, 'submitEpoch', [1n, ...content(1)])
    await send(ledger, 'setDisputeTerms', [60, 0n], ADMIN.privateKey)
    await send(ledger, 'submitEpoch', [2n, ...content(2)])
    expect([await status(0n), await status(1n), await status(2n), await status(3n)]).toEqual([0, 1, 1, 0])
    await chain.control.increaseTime({ seconds: 61 })
    await chain.control.mine({ blocks: 1 })
    // No epoch is final before an earlier one.
    expect([await status(1n), await status(2n)]).toEqual([1, 1])
    await chain.control.increaseTime({ seconds: 3_600 })
    await chain.control.mine({ blocks: 1 })
    expect([await status(1n), await status(2n)]).toEqual([2, 2])
    await expect(send(ledger, 'setDisputeTerms', [30 * 86_400 + 1, 0n], ADMIN.privateKey)).rejects.toThrow(
      'DisputeWindowTooLong',
    )
  })
})

describe('roles', () => {
  it('a stranger, and the admin as well, can record nothing', async () => {
    const ledger = await deployTestLedger(chain)
    for (const { privateKey } of [STRANGER, ADMIN]) {
      for (const [name, args] of [
        ['submitEpoch', [1n, ...content(1)]],
        ['recordContribution', ['s', 'm', 'c', 0, 1_000n, 10_000n]],
        ['recordFeedback', ['s', 'f', 'u', 5n, 5_000n]],
      ] as const) {
        await expect(send(ledger, name, args, privateKey)).rejects.toThrow('AccessControlUnauthorizedAccount')
      }
    }
  })

  it('only the admin sets the window and gives or takes the recorder role', async () => {
    const ledger = await deployTestLedger(chain)
    const role = hashOfText('RECORDER_ROLE')
    for (const { privateKey } of [STRANGER, RECORDER]) {
      await expect(send(ledger, 'setDisputeTerms', [1, 0n], privateKey)).rejects.toThrow(
        'AccessControlUnauthorizedAccount',
      )
      await expect(send(ledger, 'grantRole', [role, STRANGER.address], privateKey)).rejects.toThrow(
        'AccessControlUnauthorizedAccount',
      )
    }
    await send(ledger, 'grantRole', [role, STRANGER.address], ADMIN.privateKey)
    await send(ledger, 'revokeRole', [role, RECORDER.address], ADMIN.privateKey)
    await send(ledger, 'submitEpoch', [1n, ...content(1)], STRANGER.privateKey)
    await expect(send(ledger, 'submitEpoch', [2n, ...content(2)])).rejects.toThrow('AccessControlUnauthorizedAccount')
  })
})

describe('single records', () => {
  const credits = (ledger: TestLedger, contributor: string) =>
    contractOf(ledger).read('getContributorRewards', [contributor])

  it('add their credit to their contributor alone', async () => {
    const ledger = await deployTestLedger(chain)
    await send(ledger, 'recordContribution', ['s', 'm', 'ann', 3, 1_500n, 8_000n])
    await send(ledger, 'recordFeedback', ['s', 'f1', 'ann', 8n, 9_000n])
    expect(await credits(ledger, 'ann')).toBe(120n + 100n)
    expect(await credits(ledger, 'bob')).toBe(0n)
  })

  it('of one vote count once', async () => {
    const ledger = await deployTestLedger(chain)
    await send(ledger, 'recordFeedback', ['s', 'f1', 'ann', 8n, 9_000n])
    await expect(send(ledger, 'recordFeedback', ['s', 'f1', 'ann', 8n, 9_000n])).rejects.toThrow(
      'FeedbackAlreadyRecorded',
    )
    expect(await credits(ledger, 'ann')).toBe(100n)
  })

  it('out of their ranges are refused', async () => {
    const ledger = await deployTestLedger(chain)
    await expect(send(ledger, 'recordFeedback', ['s', 'f', 'u', 0n, 0n])).rejects.toThrow('ScoreOutOfRange')
    await expect(send(ledger, 'recordFeedback', ['s', 'f', 'u', 11n, 0n])).rejects.toThrow('ScoreOutOfRange')
    await expect(send(ledger, 'recordFeedback', ['s', 'f', 'u', 1n, 10_001n])).rejects.toThrow('ScoreOutOfRange')
    await expect(send(ledger, 'recordContribution', ['s', 'm', 'c', 5, 1n, 1n])).rejects.toThrow(
      'UnknownContributionType',
    )
    await expect(send(ledger, 'recordContribution', ['s', 'm', 'c', 0, 1n, 10_001n])).rejects.toThrow('ScoreOutOfRange')
  })

  it('earn what the same work earns in an epoch', async () => {
    const ledger = await deployTestLedger(chain)
    for (const [number, kind] of CONTRIBUTION_KINDS.entries()) {
      for (const [milliHours, qualityBps] of [
        [1_000, 10_000],
        [1_234, 5_678],
        [999_999, 1],
        [0, 10_000],
      ] as const) {
        const onChain = await contractOf(ledger).read('creditOf', [number, BigInt(milliHours), BigInt(qualityBps)])
        expect(onChain).toBe(creditOf({ kind, usedInStep: 1, payload: { ...GOOD_VOTE, milliHours, qualityBps } }))
      }
    }
  })
})

describe('gas', () => {
  it('of an epoch commit is at most 100,000 and does not grow with the epoch', async () => {
    const deployment = await deployTestLedger(chain, 3_600)
    const ledger = { chainId: deployment.chainId, ledger: deployment.address }
    const execution: number[] = []
    let previous = null
    for (const [i, size] of [1, 100, 1_000, 10_000].entries()) {
      const records = Array.from({ length: size }, (_, n) =>
        testRecord(n, { walletAddress: n % 3 === 0 ? STRANGER.address : null }),
      )
      const epoch = testEpoch(ledger, records, { epochId: i + 1, previous })
      previous = readManifest(epoch.manifest)
      const args = [
        BigInt(epoch.epochId),
        epoch.contributionsRoot,
        epoch.rewardsRoot,
        epoch.manifestHash,
        epoch.count,
        0,
      ] as const
      const { gasUsed } = await send(deployment, 'submitEpoch', args)
      expect(gasUsed).toBeLessThanOrEqual(100_000n)
      execution.push(Number(gasUsed) - calldataGas(ledgerInterface.encodeFunctionData('submitEpoch', args)))
    }
    // Hashes differ in how many of their bytes are zero, and so by a few gas of calldata; nothing else may differ.
    expect(new Set(execution)).toEqual(new Set([execution[0]]))
  })
})

/** 4 gas a zero byte, 16 any other (EIP-2028). */
function calldataGas(data: string): number {
  const bytes = data.slice(2).match(/../g) ?? []
  return bytes.reduce((gas, byte) => gas + (byte === '00' ? 4 : 16), 0)
}

const isNamed = (part: Fragment, name: string) => part instanceof NamedFragment && part.name === name

function signature(part: Fragment): string {
  const types = (list: readonly ParamType[]) =>
    list.map((one) => one.format('sighash') + (one.indexed === true ? ' indexed' : '')).join()
  return [
    part.type,
    part instanceof NamedFragment ? part.name : '',
    types(part.inputs),
    part instanceof FunctionFragment ? types(part.outputs) : '',
    part instanceof FunctionFragment ? part.stateMutability : '',
    part instanceof ConstructorFragment && part.payable ? 'payable' : '',
  ].join(' ')
}
