import { keccak256 as keccak } from 'ethers'
import type { Hex } from '../hex.ts'

// keccak-256, and what leaves need of the ABI's encoding: words of 32 bytes. ethers' coder would read the types again
// for each leaf, and an epoch has ten thousands of them.

export const keccak256 = (bytes: Hex | Uint8Array): Hex => keccak(bytes) as Hex

/** Of a text's UTF-8 bytes. */
export const textHash = (text: string): Hex => keccak256(utf8.encode(text))

/** Of some bytes and then a text's. */
export function saltedHash(salt: Hex, text: string): Hex {
  const tail = utf8.encode(text)
  const bytes = new Uint8Array(WORD + tail.length)
  put(bytes, 0, salt)
  bytes.set(tail, WORD)
  return keccak256(bytes)
}

/** Of the words' ABI encoding: a number or an amount as uint256; an account, or 32 bytes, as they are. */
export function wordsHash(words: readonly (bigint | number | Hex)[]): Hex {
  const bytes = new Uint8Array(WORD * words.length)
  words.forEach((word, i) => put(bytes, WORD * i, word))
  return keccak256(bytes)
}

/** OpenZeppelin's standard leaf: the hash is hashed again. */
export const leafHash = (words: readonly (bigint | number | Hex)[]): Hex => keccak256(wordsHash(words))

const WORD = 32
const utf8 = new TextEncoder()

/** Right-aligned in its word. */
function put(bytes: Uint8Array, at: number, value: bigint | number | Hex): void {
  const digits = typeof value === 'string' ? value.slice(2) : value.toString(16).padStart(2 * WORD, '0')
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(digits)) throw new RangeError(`${value} is no word of 32 bytes`)
  const first = at + WORD - digits.length / 2
  for (let i = 0; i < digits.length; i += 2) bytes[first + i / 2] = Number.parseInt(digits.slice(i, i + 2), 16)
}
