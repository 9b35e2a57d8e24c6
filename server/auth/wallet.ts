import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { verifyMessage } from 'ethers'
import { SiweMessage } from 'siwe'
import { plainHost } from './address.ts'
import type { Db } from '../../core/db/pool.ts'
import { spendNonce } from '../../core/db/wallet-nonces.ts'
import { AttuneError } from '../../core/errors.ts'

/** Milliseconds between asking for a nonce and signing in with it. */
const NONCE_MS = 10 * 60 * 1000

/** A nonce that carries its own expiry, and proves that it was issued here: issuing one stores nothing. */
export function issueNonce(secret: string): { nonce: string; expiresAt: string } {
  const expiresAt = Date.now() + NONCE_MS
  const body = expiresAt.toString(16).padStart(TIME_DIGITS, '0') + randomBytes(10).toString('hex')
  return { nonce: body + proofOf(body, secret), expiresAt: new Date(expiresAt).toISOString() }
}

/**
 * Who signed a Sign-In with Ethereum message (EIP-4361): the address, in lower case. Consumes its
 * nonce. `domains` are those of this server: a message that somebody signed for another
 * site is worth nothing here.
 *
 * @throws AttuneError unauthenticated, invalid
 */
export async function verifySiwe(
  db: Db,
  message: string,
  signature: string,
  { domains, secret }: { domains: readonly string[]; secret: string },
): Promise<string> {
  const { address, nonce, domain, notBefore, expirationTime } = parsed(message)
  if (!domains.includes(plainHost(domain)))
    throw new AttuneError('unauthenticated', `the message is for ${domain}, and this is ${domains[0]}`)
  const expiresAt = expiryOf(nonce, secret)
  if (expiresAt === null || expiresAt < Date.now()) throw staleNonce()
  if (!isWithin(notBefore, expirationTime, Date.now()))
    throw new AttuneError('unauthenticated', 'the message is not valid at this time')
  // Verifies the message as sent: siwe's own check is over the message as it would serialise it.
  if (signerOf(message, signature) !== address)
    throw new AttuneError('unauthenticated', 'the signature is not of this address')
  // Last, so that only the holder of a wallet can add a row.
  if (!(await spendNonce(db, nonce, new Date(expiresAt)))) throw staleNonce()
  return address.toLowerCase()
}

function parsed(message: string): SiweMessage {
  try {
    return new SiweMessage(message)
  } catch (cause) {
    throw new AttuneError('invalid', 'this is no Sign-In with Ethereum message', { path: 'message', cause })
  }
}

/** Times as EIP-4361 has them. */
const isWithin = (notBefore: string | undefined, expires: string | undefined, now: number): boolean =>
  (notBefore === undefined || Date.parse(notBefore) <= now) && (expires === undefined || now < Date.parse(expires))

/** With its checksum; null if it is not a signature. */
function signerOf(message: string, signature: string): string | null {
  try {
    return verifyMessage(message, signature)
  } catch {
    return null
  }
}

const staleNonce = () => new AttuneError('unauthenticated', 'the nonce is unknown, used or expired: ask for a new one')

/** Hex digits of a nonce: its expiry (milliseconds since 1970), 80 random bits, and the proof. */
const TIME_DIGITS = 12
const BODY_DIGITS = TIME_DIGITS + 20

const proofOf = (body: string, secret: string): string =>
  createHmac('sha256', secret).update(`nonce\0${body}`).digest('hex').slice(0, 32)

/** When one of our nonces expires, milliseconds since 1970; null for one that isn't. */
function expiryOf(nonce: string, secret: string): number | null {
  const [body, proof] = [nonce.slice(0, BODY_DIGITS), Buffer.from(nonce.slice(BODY_DIGITS))]
  const expected = Buffer.from(proofOf(body, secret))
  return proof.length === expected.length && timingSafeEqual(proof, expected)
    ? Number.parseInt(body.slice(0, TIME_DIGITS), 16)
    : null
}
