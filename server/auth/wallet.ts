import { isAddress, verifyMessage } from 'viem'
import { generateSiweNonce, parseSiweMessage, validateSiweMessage } from 'viem/siwe'
import type { Pool } from '../db/pool.ts'
import { saveNonce, takeNonce } from '../db/tokens.ts'
import { AttuneError } from '../errors.ts'

/** Milliseconds between asking for a nonce and signing in with it. */
const NONCE_MS = 10 * 60 * 1000

export async function issueNonce(pool: Pool): Promise<{ nonce: string; expiresAt: string }> {
  const nonce = generateSiweNonce()
  const expiresAt = new Date(Date.now() + NONCE_MS)
  await saveNonce(pool, nonce, expiresAt)
  return { nonce, expiresAt: expiresAt.toISOString() }
}

/**
 * Who signed a Sign-In with Ethereum message (EIP-4361): the address, in lower case. Uses its
 * nonce up. `domains` are those that this server goes by: a message that somebody signed for
 * another site is worth nothing here.
 *
 * @throws AttuneError unauthenticated, invalid
 */
export async function verifySiwe(pool: Pool, message: string, signature: string, domains: readonly string[]): Promise<string> {
  const { address, nonce, domain } = parseSiweMessage(message)
  if (address === undefined || nonce === undefined || domain === undefined || !isAddress(address)) {
    throw new AttuneError('invalid', 'this is no Sign-In with Ethereum message', { path: 'message' })
  }
  if (!domains.includes(domain)) throw new AttuneError('unauthenticated', `the message is for ${domain}`)
  if (!(await takeNonce(pool, nonce))) throw new AttuneError('unauthenticated', 'the nonce is unknown, used or expired: ask for a new one')
  if (!validateSiweMessage({ message: parseSiweMessage(message), time: new Date() })) {
    throw new AttuneError('unauthenticated', 'the message is not valid at this time')
  }
  const genuine = await verifyMessage({ address, message, signature: signature as `0x${string}` }).catch(() => false)
  if (!genuine) throw new AttuneError('unauthenticated', 'the signature is not of this address')
  return address.toLowerCase()
}
