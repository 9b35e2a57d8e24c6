/** What a wallet is asked to send: calls to Attune's contracts. Pure. */
import { Interface, ZeroAddress } from 'ethers'
import {
  CLAIM_TO_TYPES,
  DISTRIBUTOR_DOMAIN,
  distributorInterface,
  ledgerInterface,
  tokenInterface,
} from '../../../contracts/ledger/client/abi.ts'
import { sessionKey } from '../../../contracts/ledger/epoch/leaf.ts'
import type { Address, Hex } from '../../../contracts/ledger/hex.ts'
import type { Claim, Refund } from '../../../core/protocol/index.ts'

/** Amounts in wei. */
export interface Call {
  to: Address
  data: Hex
  value: bigint
}

export const isCoin = (token: string): boolean => token === ZeroAddress

export const fund = (
  distributor: Address,
  { sessionId, token, amount, perCredit }: { sessionId: string; token: Address; amount: bigint; perCredit: bigint },
): Call => ({
  ...call(distributor, distributorInterface, 'fund', [sessionKey(sessionId), token, amount, perCredit]),
  value: isCoin(token) ? amount : 0n,
})

/** Lets the distributor take this much of the sender's tokens. */
export const approve = (token: Address, distributor: Address, amount: bigint): Call =>
  call(token, tokenInterface, 'approve', [distributor, amount])

export const setPrice = (distributor: Address, bounty: Hex, perCredit: bigint): Call =>
  call(distributor, distributorInterface, 'setPrice', [bounty, perCredit])

export const close = (distributor: Address, bounty: Hex): Call =>
  call(distributor, distributorInterface, 'close', [bounty])

export const refund = (distributor: Address, { bounty, epochId, allocated, proof }: Refund): Call =>
  call(distributor, distributorInterface, 'refund', [bounty, epochId, BigInt(allocated), proof])

/** Pays an account what it has earned, whoever sends it. */
export const claim = (distributor: Address, { epochId, bounty, account, amount, proof }: Claim): Call =>
  call(distributor, distributorInterface, 'claim', [epochId, bounty, account, BigInt(amount), proof])

/**
 * What an account signs so that anybody may send its claim (EIP-712), as `eth_signTypedData_v4` takes it.
 *
 * @param deadline the last second in which the signature counts, since 1970
 */
export const claimToTypedData = (
  distributor: Address,
  chainId: number,
  { bounty, account, amount }: Claim,
  recipient: Address,
  deadline: number,
): string =>
  JSON.stringify({
    domain: { ...DISTRIBUTOR_DOMAIN, chainId, verifyingContract: distributor },
    types: {
      EIP712Domain: [
        { name: 'name', type: 'string' },
        { name: 'version', type: 'string' },
        { name: 'chainId', type: 'uint256' },
        { name: 'verifyingContract', type: 'address' },
      ],
      ...CLAIM_TO_TYPES,
    },
    primaryType: 'ClaimTo',
    message: { bounty, account, amount, recipient, deadline: String(deadline) },
  })

/** Disputes an epoch, with a bond. @param bond wei */
export const dispute = (ledger: Address, epochId: number, reason: string, bond: bigint): Call => ({
  ...call(ledger, ledgerInterface, 'dispute', [epochId, reason]),
  value: bond,
})

/** Pays somebody back the bonds of their upheld disputes. */
export const withdrawBonds = (ledger: Address, disputer: Address): Call =>
  call(ledger, ledgerInterface, 'withdrawBonds', [disputer])

const call = (to: Address, contract: Interface, name: string, args: readonly unknown[]): Call => ({
  to,
  data: contract.encodeFunctionData(name, args) as Hex,
  value: 0n,
})

/** Why a contract refused, for a person; null where the data is not an error of Attune's contracts or of a token. */
export function refusalOf(data: Hex): string | null {
  const name = errors.getError(data.slice(0, SELECTOR_CHARS))?.name
  return name === undefined ? null : (refusals[name] ?? `The contract refused: ${name}.`)
}

/** `0x` and four bytes. */
const SELECTOR_CHARS = 10

/**
 * What a call may fail with: the contracts' own errors, the ledger's where the distributor asks it, and those of ERC-20
 * tokens (ERC-6093).
 */
const errors = new Interface([
  ...[distributorInterface, ledgerInterface].flatMap(({ fragments }) =>
    fragments.filter(({ type }) => type === 'error'),
  ),
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
  'error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)',
])

/** A test checks the names against the contracts'. */
export const refusals: Partial<Record<string, string>> = {
  NothingToPay: 'There is nothing to pay: it was paid already.',
  PotTooSmall: 'The pot no longer holds that much.',
  EpochNotFinal: 'The epoch is not final yet: its dispute window is open, or a dispute holds it up.',
  EpochSuperseded: 'A later epoch may have earned from this bounty as well. Try again once that is final.',
  InvalidProof: 'The contract rejects the proof: the epoch may have been rejected. Reload the page.',
  NotSponsor: 'Only the account that funded this bounty may do that. Select it in your wallet.',
  TooEarly: 'It is too early: the remainder can be withdrawn two days after closing.',
  WrongBond: 'The bond has changed. Reload the page and try again.',
  DisputeOpen: 'Another dispute is open. One is decided at a time.',
  EpochNotPending: 'This epoch is final: it can no longer be disputed.',
  PaymentsPaused: 'Payments are paused by the treasurer. Nothing is lost; try again later.',
  SignatureExpired: 'The signature has expired. Sign again.',
  InvalidSignature:
    'The signature is not of the account that is paid. Select that account in your wallet and sign again.',
  ERC20InsufficientBalance: 'Your wallet holds less of this token than that.',
  ERC20InsufficientAllowance:
    'The token’s allowance for the distributor is too low. Fund again and confirm the allowance in your wallet.',
}
