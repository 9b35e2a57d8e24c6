import { AbiCoder, concat } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BuiltEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import { recordOpening } from '../../contracts/ledger/epoch/leaf.ts'
import { type MerkleProof, proofBook } from '../../contracts/ledger/epoch/proofs.ts'
import type { Ledger } from '../../contracts/ledger/client/chain.ts'
import { ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { verifyProof } from '../../client/src/ledger/proof.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_HASH, hashOfBytes } from '../helpers/hashes.ts'
import { type TestChain, startChain } from '../helpers/chain.ts'
import {
  type TestLedger,
  deployTestLedger,
  ledgerOf,
  sender,
  submit,
  testEpoch,
  testRecord,
} from '../helpers/ledger.ts'

let chain: TestChain
let otherChain: TestChain
let deployment: TestLedger
let ledger: Ledger
const records = Array.from({ length: 11 }, (_, n) => testRecord(n))
const epochs: BuiltEpoch[] = []
const txs: Hex[] = []

beforeAll(async () => {
  chain = await startChain()
  otherChain = await startChain({ chainId: 31_338 })
  deployment = await deployTestLedger(chain)
  ledger = ledgerOf(chain, deployment)
  for (const epochId of [1, 2]) {
    const epoch = testEpoch(ledger.ledger, records, { epochId })
    epochs.push(epoch)
    txs.push(await submit(chain, ledger, epoch))
  }
})
afterAll(async () => {
  await chain.stop()
  await otherChain.stop()
})

const contractOf = (host: TestChain, { address }: TestLedger) => sender(host, { address, abi: ledgerInterface })

function proofOf(epochId: number, index: number): MerkleProof {
  return proofBook(epochs[epochId - 1]?.manifest ?? '', txs[epochId - 1] ?? '0x').proof(index)
}

describe('a proof', () => {
  it('C3 of every record verifies: by its leaf, by its fields, and in the browser', async () => {
    for (const [i, record] of records.entries()) {
      const proof = proofOf(1, i)
      const args = [1n, proof.leaf, proof.proof] as const
      expect(await contractOf(chain, deployment).read('verifyContribution', args)).toBe(true)
      expect(await ledger.verify(proof.leafFields, proof.proof)).toBe(true)
      const opening = { contributorId: record.contributorId, salt: record.salt, record: recordOpening(record) }
      const { valid, steps } = await verifyProof(proof, chain.rpcUrl, opening)
      expect(steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
        'record pass',
        'leaf pass',
        'path pass',
        'chain pass',
        'root pass',
        'status pass',
      ])
      expect(valid).toBe(true)
    }
  })

  it('of one epoch is refused in another, and in one that was never recorded', async () => {
    const { leafFields, proof } = proofOf(1, 3)
    expect(await ledger.verify({ ...leafFields, epochId: '2' }, proof)).toBe(false)
    expect(await ledger.verify({ ...leafFields, epochId: '3' }, proof)).toBe(false)
    const none = await contractOf(chain, deployment).read('verifyContribution', [3n, ZERO_HASH, []])
    expect(none).toBe(false)
  })

  it('of one contract or chain is refused by another that holds the same roots', async () => {
    for (const host of [chain, otherChain]) {
      const copy = await deployTestLedger(host)
      const copied = ledgerOf(host, copy)
      const [epoch] = epochs
      if (epoch === undefined) throw new Error('no epoch')
      await submit(host, copied, epoch)
      const { leafFields, proof } = proofOf(1, 3)
      const { index, session, contributor, kind, credit, recordHash } = leafFields
      const args = [1n, BigInt(index), session, contributor, kind, BigInt(credit), recordHash, proof] as const
      expect(await contractOf(host, copy).read('verifyRecord', args)).toBe(false)
      expect(await copied.verify(leafFields, proof)).toBe(false)
      const forged = { ...proofOf(1, 3), contract: copy.address, chainId: host.chainId }
      expect((await verifyProof(forged, host.rpcUrl)).valid).toBe(false)
    }
  })

  it('fails after a change to any of its fields or siblings', async () => {
    const good = proofOf(1, 5)
    const { leafFields: f } = good
    const other = hashOfBytes('0x00')
    const forgeries: MerkleProof[] = [
      ...[
        { index: '6' },
        { session: other },
        { contributor: other },
        { kind: 0 },
        { credit: '101' },
        { recordHash: other },
      ].map((change) => ({
        ...good,
        leafFields: { ...f, ...change },
      })),
      { ...good, leaf: other },
      { ...good, proof: [other, ...good.proof.slice(1)] },
      { ...good, proof: good.proof.slice(1) },
      { ...good, root: other },
      { ...good, epochId: 2 },
      { ...good, leafFields: { ...f, epochId: '2' } },
      { ...good, proof: ['0x'] },
    ]
    for (const forged of forgeries) expect((await verifyProof(forged, chain.rpcUrl)).valid).toBe(false)
    for (const { leafFields, proof } of forgeries.slice(0, 6))
      expect(await ledger.verify(leafFields, proof)).toBe(false)
  })

  it('of an inner node’s two children is refused: leaves are hashed twice', async () => {
    // In a tree of single hashes, an inner node's preimage, two children, would pass for the encoding of a leaf.
    const { leaf, proof } = proofOf(1, 0)
    const [sibling = ZERO_HASH, ...rest] = proof
    const children = concat(leaf < sibling ? [leaf, sibling] : [sibling, leaf]) as Hex
    const verify = (forged: Hex) => contractOf(chain, deployment).read('verifyContribution', [1n, forged, rest])
    expect(await verify(hashOfBytes(children))).toBe(true) // the inner node itself is under the root, as verifyContribution warns
    expect(await verify(hashOfBytes(hashOfBytes(children)))).toBe(false)
  })

  it('whose leaf was hashed once is refused', async () => {
    const { leafFields: f, proof } = proofOf(1, 0)
    const fields = AbiCoder.defaultAbiCoder().encode(
      ['uint256', 'address', 'uint256', 'uint256', 'bytes32', 'bytes32', 'uint8', 'uint256', 'bytes32'],
      [
        BigInt(f.chainId),
        ledger.ledger.ledger,
        BigInt(f.epochId),
        BigInt(f.index),
        f.session,
        f.contributor,
        f.kind,
        BigInt(f.credit),
        f.recordHash,
      ],
    )
    const args = [1n, hashOfBytes(fields as Hex), proof] as const
    expect(await contractOf(chain, deployment).read('verifyContribution', args)).toBe(false)
  })

  it('shown with another record than the one committed to says so', async () => {
    const record = testRecord(4)
    const opening = {
      contributorId: record.contributorId,
      salt: record.salt,
      record: { ...recordOpening(record), usedInStep: 999 },
    }
    const { valid, steps } = await verifyProof(proofOf(1, 4), chain.rpcUrl, opening)
    expect(valid).toBe(false)
    expect(steps[0]).toMatchObject({ id: 'record', state: 'fail' })
  })

  it('is not called valid where the chain could not be asked', async () => {
    const { valid, steps } = await verifyProof(proofOf(1, 4), 'http://127.0.0.1:1')
    expect(valid).toBe(false)
    expect(steps.at(-1)).toMatchObject({ id: 'root', state: 'unknown' })
  })

  it('at an address without a contract is refused', async () => {
    const nowhere = { ...proofOf(1, 4), contract: '0x000000000000000000000000000000000000dead' }
    const forged = { ...nowhere, leafFields: { ...nowhere.leafFields, ledger: nowhere.contract } }
    expect((await verifyProof(forged, chain.rpcUrl)).steps.at(-1)).toMatchObject({ id: 'root', state: 'fail' })
  })
})
