import type { IncomingMessage } from 'node:http'
import { senderOf } from '../limits/sender.ts'
import type { Config } from '../../core/config.ts'
import { createCounts } from '../limits/counts.ts'
import { AttuneError } from '../../core/errors.ts'
import { limits } from '../../core/protocol/index.ts'

/**
 * Connections beyond an address's limit that are still told why they are refused; those beyond are refused
 * silently.
 */
const TOLD = 50

/** How many sockets there are per address and per person. A slot is released by calling the returned function. */
export function openAdmission({
  sockets: { perAddress, perPerson },
  trustProxy,
}: Pick<Config, 'sockets' | 'trustProxy'>) {
  const addresses = createCounts()
  const people = createCounts()
  const addressOf = (request: IncomingMessage) => senderOf(request, trustProxy)
  return {
    /** Whether another connection gets a response. */
    hears: (request: IncomingMessage): boolean => addresses.count(addressOf(request)) < perAddress + TOLD,
    /** A connection was made. */
    connected: (request: IncomingMessage): (() => void) => addresses.take(addressOf(request)),
    /** @throws AttuneError too-frequent if the connection is one too many for its address */
    demandPlace(request: IncomingMessage): void {
      if (addresses.count(addressOf(request)) > perAddress) {
        throw tooMany(
          `Your network has ${perAddress} connections to this server already, which is as many as it may. Close some, or ask the operator to raise MAX_SOCKETS_PER_ADDRESS.`,
        )
      }
    },
    /** @throws AttuneError too-frequent if the socket is one too many for its person */
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
