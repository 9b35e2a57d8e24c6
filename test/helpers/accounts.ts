import { Wallet, hexlify, randomBytes } from 'ethers'
import { SiweMessage } from 'siwe'
import { CLAIM_TO_TYPES, DISTRIBUTOR_DOMAIN } from '../../contracts/ledger/client/abi.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'

/** An account of which the key is known: it signs messages, typed data and, connected to a node, transactions. */
export type Account = Wallet & { readonly address: Address; readonly privateKey: Hex }

export const accountOf = (privateKey: Hex) => new Wallet(privateKey) as Account
export const newAccount = () => accountOf(hexlify(randomBytes(32)) as Hex)

/** What a wallet signs to sign in to a site (EIP-4361). */
export function signInMessage({
  address,
  nonce,
  domain = 'attune.test:3001',
  uri = `http://${domain}`,
}: SignIn): string {
  return new SiweMessage({ address, chainId: 1, domain, nonce, uri, version: '1' }).prepareMessage()
}
export type SignIn = { address: Address; nonce: string; domain?: string; uri?: string }

/** An account's word on where a claim of its is to be paid (EIP-712), for one distributor of one chain. */
export async function signClaim(account: Account, at: { chainId: number; distributor: Address }, claim: SignedClaim) {
  const domain = { ...DISTRIBUTOR_DOMAIN, chainId: at.chainId, verifyingContract: at.distributor }
  return (await account.signTypedData(domain, { ClaimTo: [...CLAIM_TO_TYPES.ClaimTo] }, claim)) as Hex
}
export type SignedClaim = { bounty: Hex; account: Address; amount: bigint; recipient: Address; deadline: bigint }
