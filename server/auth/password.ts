import { randomBytes, timingSafeEqual } from 'node:crypto'
import { scrypt } from './scrypt.ts'

/**
 * Hashes a password with scrypt: `scrypt$N$r$p$salt$hash`, the last two in base64url. @throws AttuneError too-frequent
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const { N, r, p } = COST
  const hash = await derive(password, salt, COST)
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/**
 * Whether a password is the hashed one. Without a hash it takes as long, and is false: timing does
 * not reveal who exists.
 *
 * @throws AttuneError too-frequent
 */
export async function checkPassword(password: string, stored: string | null): Promise<boolean> {
  const [, N, r, p, salt, hash] = (stored ?? NOBODY).split('$')
  const expected = Buffer.from(hash ?? '', 'base64url')
  const given = await derive(password, Buffer.from(salt ?? '', 'base64url'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  return timingSafeEqual(expected, given) && stored !== null
}

/** 32 MiB and about 80 ms per password. */
const COST = { N: 2 ** 15, r: 8, p: 1 }
const BYTES = 32
const MOST_MEMORY = 128 * 1024 * 1024
const NOBODY = `scrypt$${COST.N}$${COST.r}$${COST.p}$${'A'.repeat(22)}$${Buffer.alloc(BYTES).toString('base64url')}`

const derive = (password: string, salt: Buffer, cost: typeof COST) =>
  scrypt({ password: password.normalize('NFKC'), salt, bytes: BYTES, cost: { ...cost, maxmem: MOST_MEMORY } })
