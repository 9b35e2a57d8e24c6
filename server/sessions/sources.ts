import type { IncomingMessage } from 'node:http'
import type { Seal } from '../auth/seal.ts'
import { networkOf } from '../limits/newcomers.ts'
import { senderOf } from '../limits/sender.ts'

/** Bytes of a source: enough that two networks don't meet. */
const SOURCE_BYTES = 12

/**
 * Where a vote comes from, for counting jointly what one source brings (core/votes/sources.ts): the network of its
 * sender, an IPv4 address or an IPv6 /64, as a keyed hash that is cut short. Without the deployment's DATA_KEY nobody
 * can test guesses of the address; it is used for nothing else, and erased with its author.
 */
export interface Sources {
  ofAddress: (address: string) => Buffer
  ofRequest: (request: Pick<IncomingMessage, 'socket' | 'headers'>) => Buffer
}

export function openSources(seal: Pick<Seal, 'digest'>, trustProxy: number): Sources {
  const ofNetwork = (network: string): Buffer => seal.digest('source of votes', network).subarray(0, SOURCE_BYTES)
  return {
    ofAddress: (address) => ofNetwork(networkOf(address)),
    ofRequest: (request) => ofNetwork(senderOf(request, trustProxy)),
  }
}
