import { ZeroAddress, ZeroHash, id, keccak256, toBeHex } from 'ethers'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'

/** keccak-256 of a text's UTF-8 bytes. */
export const hashOfText = (text: string): Hex => id(text) as Hex
/** keccak-256 of a number's fewest bytes, big-endian; 0 is one byte. */
export const hashOfNumber = (n: number): Hex => keccak256(toBeHex(n)) as Hex
/** keccak-256 of bytes. */
export const hashOfBytes = (bytes: Hex | Uint8Array): Hex => keccak256(bytes) as Hex

export const ZERO_HASH = ZeroHash as Hex
export const ZERO_ADDRESS = ZeroAddress as Address
