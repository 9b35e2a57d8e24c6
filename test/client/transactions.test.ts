import { readFileSync } from 'node:fs'
import { id, Interface } from 'ethers'
import { expect, test } from 'vitest'
import { distributorInterface, ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { refusalOf, refusals } from '../../client/src/ledger/transactions.ts'

/** Errors as the Solidity sources declare them, and those that tokens are known to have (ERC-6093). */
const declared = ['ContributionLedger', 'SingleRecords', 'Bonds', 'RewardDistributor'].flatMap((name) => {
  const source = readFileSync(new URL(`../../contracts/solidity/${name}.sol`, import.meta.url), 'utf8')
  return [...source.matchAll(/^ {4}error (\w+)\(/gm)].map((match) => match[1])
})
const ofTokens = ['ERC20InsufficientBalance', 'ERC20InsufficientAllowance']

const refused = (contract: Interface, name: string, args: readonly unknown[] = []): string | null =>
  refusalOf(contract.encodeErrorResult(name, args) as Hex)

test('every refusal that the page has words for is one that the contracts, or tokens, know', () => {
  expect(declared.length).toBeGreaterThan(20)
  expect(Object.keys(refusals).filter((name) => !declared.includes(name) && !ofTokens.includes(name))).toEqual([])
})

test('a refusal of the ledger reaches a person in words when the distributor hands it on', () => {
  expect(refused(ledgerInterface, 'PaymentsPaused')).toContain('paused')
  expect(refused(ledgerInterface, 'EpochNotFinal', [3n])).toContain('not final yet')
  expect(refused(distributorInterface, 'PotTooSmall', [1n, 2n])).toContain('pot')
})

test('what has no words of its own is named, and what is nobody’s error is left to the wallet', () => {
  expect(refused(distributorInterface, 'NothingFunded')).toBe('The contract refused: NothingFunded.')
  expect(refusalOf(id('unknown()').slice(0, 10) as Hex)).toBeNull()
  expect(refused(new Interface(['error Strange(uint256)']), 'Strange', [1n])).toBeNull()
  expect(refusalOf('0x')).toBeNull()
})
