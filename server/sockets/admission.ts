import type { IncomingMessage } from 'node:http'
import { senderOf } from '../limits/sender.ts'
import type { Config } from '../../core/config.ts'
import { createCounts } from '../limits/counts.ts'
import { AttuneError } from '../../core/errors.ts'
import { limits } from '../../core/protocol/index.ts'

/**
 * Connections beyond an address's limit that are still told why they are refused; those beyond are refused without
 * words.
 */
const TOLD = 50

/**
 * How many sockets there are, of each address and each person. What is taken is given back by calling what was
 * returned.
 */
export function openAdmission({
  sockets: { perAddress, perPerson },
  trustProxy,
}: Pick<Config, 'sockets' | 'trustProxy'>) {
  const addresses = createCounts()
  const people = createCounts()
  const addressOf = (request: IncomingMessage) => senderOf(request, trustProxy)
  return {
    /** Whether another connection is worth an answer. */
    hears: (request: IncomingMessage): boolean => addresses.count(addressOf(request)) < perAddress + TOLD,
    /** A connection was made. */
    connected: (request: IncomingMessage): (() => void) => addresses.take(addressOf(request)),
    /** @throws AttuneError too-frequent where the connection is one too many of its address */
    demandPlace(request: IncomingMessage): void {
      if (addresses.count(addressOf(request)) > perAddress) {
        throw tooMany(
          `Your network has ${perAddress} connections to this server already, which is as many as it may. Close some, or ask the operator to raise MAX_SOCKETS_PER_ADDRESS.`,
        )
      }
    },
    /** @throws AttuneError too-frequent where the socket is one too many of its person */
    signedIn(userId: string): () => void {
      if (people.count(userId) >= perPerson) {
        throw tooMany(
          `You are connected to this server ${perPerson} times already, which is as many as one person may be. Close some of those pages.`,
        )
      }
      return people.take(userId)
    },
  }
}

const tooMany = (message: string) => new AttuneError('too-frequent', message, { retryAfter: limits.refusedSeconds })
