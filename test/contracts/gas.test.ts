import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EpochGas, measureGas } from '../../scripts/bench/gas.ts'
import { type TestChain, startChain } from '../helpers/chain.ts'

let chain: TestChain
let epochs: readonly EpochGas[]
let single: number
beforeAll(async () => {
  chain = await startChain()
  ;({ epochs, single } = await measureGas(chain.rpcUrl, [100, 10_000], () => undefined))
})
afterAll(() => chain.stop())

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

  it('of recording a vote singly, in the seed’s way, is thousands of times that of its share in an epoch of 10,000', () => {
    expect(single / (COMMIT / 10_000)).toBeGreaterThan(4_000)
  })
})
