import { readFileSync } from 'node:fs'
import { encodeErrorResult, parseAbi, toFunctionSelector } from 'viem'
import { expect, test } from 'vitest'
import { distributorAbi, ledgerAbi } from '../../contracts/ledger/client/abi-viem.ts'
import { refusalOf, refusals } from '../../client/src/ledger/transactions.ts'

/** Errors as the Solidity sources declare them, and those that tokens are known to have (ERC-6093). */
const declared = ['ContributionLedger', 'RewardDistributor'].flatMap((name) => {
  const source = readFileSync(new URL(`../../contracts/solidity/${name}.sol`, import.meta.url), 'utf8')
  return [...source.matchAll(/^ {4}error (\w+)\(/gm)].map((match) => match[1])
})
const ofTokens = ['ERC20InsufficientBalance', 'ERC20InsufficientAllowance']

test('every refusal that the page has words for is one that the contracts, or tokens, know', () => {
  expect(declared.length).toBeGreaterThan(20)
  expect(Object.keys(refusals).filter((name) => !declared.includes(name) && !ofTokens.includes(name))).toEqual([])
})

test('a refusal of the ledger reaches a person in words when the distributor hands it on', () => {
  expect(refusalOf(encodeErrorResult({ abi: ledgerAbi, errorName: 'PaymentsPaused' }))).toContain('paused')
  expect(refusalOf(encodeErrorResult({ abi: ledgerAbi, errorName: 'EpochNotFinal', args: [3n] }))).toContain(
    'not final yet',
  )
  expect(refusalOf(encodeErrorResult({ abi: distributorAbi, errorName: 'PotTooSmall', args: [1n, 2n] }))).toContain(
    'pot',
  )
})

test('what has no words of its own is named, and what is nobody’s error is left to the wallet', () => {
  expect(refusalOf(encodeErrorResult({ abi: distributorAbi, errorName: 'NothingFunded' }))).toBe(
    'The contract refused: NothingFunded.',
  )
  expect(refusalOf(toFunctionSelector('function unknown()'))).toBeNull()
  expect(
    refusalOf(encodeErrorResult({ abi: parseAbi(['error Strange(uint256)']), errorName: 'Strange', args: [1n] })),
  ).toBeNull()
})
