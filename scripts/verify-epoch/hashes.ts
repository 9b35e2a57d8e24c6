// The hashes of contracts/FORMAT.md, written from it alone.

import { keccak256 as keccak } from 'ethers'

export type Hex = `0x${string}`

export const keccak256 = (bytes: Hex | Uint8Array): Hex => keccak(bytes) as Hex

/** 32 bytes, big-endian, as hex without 0x. */
export function word(value: bigint | number | string): string {
  return BigInt(value).toString(16).padStart(64, '0')
}

/** keccak of keccak of the words. */
export function doubleHash(words: readonly string[]): Hex {
  return keccak256(keccak256(`0x${words.join('')}`))
}

/** keccak of a text's UTF-8 bytes, as a word. */
export function tag(text: string): string {
  return keccak256(new TextEncoder().encode(text)).slice(2)
}

/** The root of OpenZeppelin's standard tree; zero over no leaves. */
export function treeRoot(leaves: readonly Hex[]): Hex {
  if (leaves.length === 0) return `0x${'0'.repeat(64)}`
  const nodes: Hex[] = [...leaves.slice(1), ...leaves].fill('0x')
  const last = nodes.length - 1
  ;[...leaves].sort().forEach((leaf, i) => (nodes[last - i] = leaf))
  for (let i = leaves.length - 2; i >= 0; i--) {
    const [low = '', high = ''] = [nodes[2 * i + 1], nodes[2 * i + 2]].sort()
    nodes[i] = keccak256(`0x${low.slice(2)}${high.slice(2)}`)
  }
  return nodes[0] ?? '0x'
}
