/** What a wallet signs to sign in: Sign-In with Ethereum (EIP-4361). Pure. */
import { getAddress, hexlify, toUtf8Bytes } from 'ethers'
import type { Hex } from '../../../contracts/ledger/hex.ts'

export interface SignInRequest {
  address: Hex
  chainId: number
  /** Host and port of the requesting page. */
  domain: string
  nonce: string
  uri: string
  /** One line. */
  statement: string
  issuedAt: Date
}

/**
 * The message's text, version 1. A test checks it against the package `siwe`, which brings a parser that the page has
 * no use for: 197 kB of the bundle, gzipped.
 */
export const signInMessage = ({ address, chainId, domain, nonce, uri, statement, issuedAt }: SignInRequest): string =>
  `${domain} wants you to sign in with your Ethereum account:
${getAddress(address)}

${statement}

URI: ${uri}
Version: 1
Chain ID: ${chainId}
Nonce: ${nonce}
Issued At: ${issuedAt.toISOString()}`

/** The message in the form that `personal_sign` takes. */
export const bytesOf = (message: string): Hex => hexlify(toUtf8Bytes(message)) as Hex
