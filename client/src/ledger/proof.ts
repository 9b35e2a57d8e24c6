import { AbiCoder, concat, keccak256, toUtf8Bytes } from 'ethers'
import type { Hex } from '../../../contracts/ledger/hex.ts'
import { messageOf } from '../ui/sentence.ts'
import { readWords, servedChain, word } from './node.ts'

/**
 * Verifies a contribution in the browser: recomputes its leaf from its fields, walks the proof to
 * the root, and reads that root from the contract itself. The server is trusted for nothing except
 * where to look.
 *
 * The steps come in order, each with its finding. A step that could not be carried out (no node
 * available) is `unknown`, and then the whole is not `valid`. The encoding is that of
 * contracts/FORMAT.md, implemented here a second time.
 *
 * @param rpcUrl a JSON-RPC endpoint of the contract's chain, preferably one that the reader trusts
 * @param opening the contributor's own record and salt, to check that the leaf commits to it
 */
export async function verifyProof(proof: ContributionProof, rpcUrl: string, opening?: Opening): Promise<Verification> {
  const steps: VerificationStep[] = []
  const add = (id: VerificationStep['id'], ok: boolean, detail: string) => {
    steps.push({ id, state: ok ? 'pass' : 'fail', detail })
  }
  try {
    if (opening !== undefined) {
      const opened = opens(proof.leafFields, opening)
      add(
        'record',
        opened,
        opened ? 'The leaf commits to your record.' : 'The leaf commits to another record than the one shown.',
      )
    }
    const leaf = contributionLeaf(proof)
    add('leaf', leaf === proof.leaf && sameDomain(proof), `The contribution’s fields hash to ${short(leaf)}.`)
    const root = foldProof(leaf, proof.proof)
    add('path', root === proof.root, `${proof.proof.length} siblings lead to the root ${short(root)}.`)
    for (const step of await chainSteps(proof, root, rpcUrl)) steps.push(step)
  } catch (error) {
    add('leaf', false, `The proof is malformed: ${messageOf(error)}`)
  }
  return { valid: steps.every(({ state }) => state === 'pass'), steps }
}

/** `ProofOfContribute.merkleProof`. */
export type ContributionProof = {
  epochId: number
  leaf: string
  leafFields: {
    chainId: string
    ledger: string
    epochId: string
    index: string
    session: string
    contributor: string
    kind: number
    credit: string
    recordHash: string
  }
  proof: readonly string[]
  root: string
  contract: string
  chainId: number
  txHash: string
}

/** The preimages of a leaf's hashes; given only to its contributor. */
export type Opening = { contributorId: string; salt: string; record: unknown }

export type Verification = { valid: boolean; steps: readonly VerificationStep[] }
export type VerificationStep = {
  id: 'record' | 'leaf' | 'path' | 'chain' | 'root' | 'status' | 'account' | 'paid' | 'pot'
  state: 'pass' | 'fail' | 'unknown'
  /** A sentence for the reader. */
  detail: string
}

const LEAF = ['uint256', 'address', 'uint256', 'uint256', 'bytes32', 'bytes32', 'uint8', 'uint256', 'bytes32']

/** The double-hashed leaf: fields under the proof's own chain, contract and epoch, not under those they claim. */
export function contributionLeaf({ chainId, contract, epochId, leafFields }: ContributionProof): Hex {
  const { index, session, contributor, kind, credit, recordHash } = leafFields
  const fields = [chainId, contract, epochId, BigInt(index), session, contributor, kind, BigInt(credit), recordHash]
  return leafOf(LEAF, fields)
}

/** `keccak(keccak(abi.encode(fields)))`. */
export const leafOf = (types: readonly string[], fields: readonly unknown[]): Hex =>
  keccak256(keccak256(AbiCoder.defaultAbiCoder().encode(types, fields))) as Hex

/** Whether the fields claim the chain, contract and epoch that the proof is for. */
function sameDomain({ chainId, contract, epochId, leafFields }: ContributionProof): boolean {
  const claimed = [leafFields.chainId, leafFields.ledger.toLowerCase(), leafFields.epochId]
  return claimed.join() === [chainId, contract.toLowerCase(), epochId].join()
}

/** The root that a leaf and its siblings lead to: keccak of each pair, the smaller first. */
export function foldProof(leaf: Hex, siblings: readonly string[]): Hex {
  return siblings.reduce<Hex>((node, sibling) => {
    if (!/^0x[0-9a-f]{64}$/.test(sibling)) throw new Error('a sibling is 32 bytes in lower-case hex')
    return keccak256(concat(node < sibling ? [node, sibling] : [sibling, node])) as Hex
  }, leaf)
}

function opens(
  { contributor, recordHash }: ContributionProof['leafFields'],
  { contributorId, salt, record }: Opening,
): boolean {
  const commit = (text: string) => keccak256(concat([salt, toUtf8Bytes(text)]))
  return contributor === commit(`attune:contributor:${contributorId}`) && recordHash === commit(canonicalJson(record))
}

async function chainSteps(proof: ContributionProof, root: Hex, rpcUrl: string): Promise<VerificationStep[]> {
  try {
    const served = await servedChain(rpcUrl)
    const sameChain = served === proof.chainId
    const steps: VerificationStep[] = [
      {
        id: 'chain',
        state: sameChain ? 'pass' : 'fail',
        detail: `The node serves chain ${served}; the proof is for ${proof.chainId}.`,
      },
    ]
    if (!sameChain) return steps
    const words = await ledgerWords(proof, rpcUrl)
    const recorded = words[0] ?? ''
    const matches = words.length === 6 && /[1-9a-f]/.test(recorded) && `0x${recorded}` === root
    steps.push({
      id: 'root',
      state: matches ? 'pass' : 'fail',
      detail: matches
        ? `The contract holds this root for epoch ${proof.epochId}.`
        : `The contract at ${short(proof.contract)} does not hold this root for epoch ${proof.epochId}.`,
    })
    if (matches) steps.push(finality(words))
    return steps
  } catch (error) {
    const reason = messageOf(error)
    return [{ id: 'root', state: 'unknown', detail: `The chain could not be asked: ${reason}` }]
  }
}

/** Both are recorded: an epoch whose dispute window is still open says so. */
function finality(words: readonly string[]): VerificationStep {
  const submitted = new Date(Number(`0x${words[4]}`) * 1_000)
  const final = new Date(Number(`0x${words[5]}`) * 1_000)
  const since = `Recorded ${submitted.toISOString()}`
  const detail =
    final.getTime() <= Date.now() ? `${since}, final.` : `${since}, open to dispute until ${final.toISOString()}.`
  return { id: 'status', state: 'pass', detail }
}

/** The six words of `epochs(epochId)`; none where there is no contract. */
const ledgerWords = ({ contract, epochId }: ContributionProof, rpcUrl: string): Promise<string[]> =>
  readWords(rpcUrl, contract, 'epochs(uint256)', [word(epochId)])

/** RFC 8785, for values that came as JSON. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`
}

export function short(hash: string): string {
  return `${hash.slice(0, 10)}…${hash.slice(-6)}`
}
