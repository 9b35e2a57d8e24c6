/** Checks a claim before it is sent: its proof in this browser, everything else with the contracts. */
import { messageOf } from '../ui/sentence.ts'
import type { Hex } from '../../../contracts/ledger/hex.ts'
import type { ChainFacts, Claim } from '../../../core/protocol/index.ts'
import { plural } from '../ui/format.ts'
import { amountText, type Token } from './money.ts'
import { NodeRefusal, readWords, servedChain, word } from './node.ts'
import { foldProof, leafOf, short, type Verification, type VerificationStep } from './proof.ts'

/**
 * Whether the contracts will pay a claim, step by step: whom it pays, where its proof leads, that
 * the ledger holds that root as final, what was paid before, and that the pot holds the rest.
 * A step that could not be carried out is `unknown`, and then the whole is not `valid`.
 *
 * @param account the reader's linked wallet
 * @param rpcUrl a JSON-RPC endpoint of the contracts' chain
 */
export async function checkClaim(
  claim: Claim,
  account: string,
  facts: ChainFacts,
  token: Token,
  rpcUrl: string,
): Promise<Verification> {
  const steps: VerificationStep[] = []
  const add = (id: VerificationStep['id'], ok: boolean, detail: string): boolean => {
    steps.push({ id, state: ok ? 'pass' : 'fail', detail })
    return ok
  }
  const walk = async (): Promise<void> => {
    add('account', claim.account === account, `The claim pays ${claim.account}.`)
    const root = foldProof(rewardLeaf(claim, facts), claim.proof)
    add(
      'path',
      true,
      `Account, bounty and amount hash to a leaf; ${plural(claim.proof.length, 'sibling')} lead to the root ${short(root)}.`,
    )
    const served = await servedChain(rpcUrl)
    if (
      !add('chain', served === facts.chainId, `The node serves chain ${served}; the contracts are on ${facts.chainId}.`)
    )
      return
    const [recorded = ''] = await readWords(rpcUrl, facts.ledger, 'finalRewardsRoot(uint256)', [word(claim.epochId)])
    const holds = `0x${recorded}` === root
    if (
      !add(
        'root',
        holds,
        `The ledger ${short(facts.ledger)} ${holds ? 'holds this root, final,' : 'does not hold this root'} for epoch ${claim.epochId}.`,
      )
    )
      return
    const due = await amountDue(claim, facts.distributor ?? '', rpcUrl)
    if (
      !add(
        'paid',
        due > 0n,
        due > 0n
          ? `${amountText(due, token)} of ${amountText(claim.amount, token)} were not paid yet.`
          : 'All of it was paid already.',
      )
    )
      return
    const [, left = '0'] = await readWords(rpcUrl, facts.distributor ?? '', 'bounties(bytes32)', [claim.bounty as Hex])
    add('pot', BigInt(`0x${left}`) >= due, `The pot holds ${amountText(BigInt(`0x${left}`), token)}.`)
  }
  try {
    await walk()
  } catch (error) {
    steps.push(await obstacle(error))
  }
  return { valid: steps.every(({ state }) => state === 'pass'), steps }
}

async function amountDue({ bounty, account, amount }: Claim, distributor: string, rpcUrl: string): Promise<bigint> {
  const [paid = '0'] = await readWords(rpcUrl, distributor, 'claimed(bytes32,address)', [bounty as Hex, account as Hex])
  return BigInt(amount) - BigInt(`0x${paid}`)
}

const REWARD = ['uint256', 'address', 'uint256', 'bytes32', 'address', 'uint256']

/** The double-hashed leaf, under the ledger that the claim is checked against. */
const rewardLeaf = ({ epochId, bounty, account, amount }: Claim, { chainId, ledger }: ChainFacts): Hex =>
  leafOf(REWARD, [chainId, ledger, epochId, bounty, account, BigInt(amount)])

/** A contract that refuses is a step that fails; a node that does not respond leaves it open. */
async function obstacle(error: unknown): Promise<VerificationStep> {
  if (error instanceof NodeRefusal && error.data !== null) {
    const { refusalOf } = await import('./transactions.ts')
    const refusal = refusalOf(error.data)
    if (refusal !== null) return { id: 'root', state: 'fail', detail: refusal }
  }
  const reason = messageOf(error)
  return { id: 'root', state: 'unknown', detail: `The chain could not be asked: ${reason}` }
}
