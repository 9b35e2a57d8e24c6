import { z } from 'zod'
import { AttuneError } from '../../core/errors.ts'

/** Longest wait for the node, milliseconds. */
const TIMEOUT_MS = 5_000

/**
 * Passes a page's questions on to the chain's node, so that a browser can check a proof itself: only the
 * JSON-RPC calls for the chain's id and for reads of Attune's contracts. Returns the node's own response.
 * Whoever trusts nobody asks their own node (scripts/verify-epoch).
 *
 * @throws AttuneError invalid, unavailable
 */
export async function relayQuestion(
  rpcUrl: string,
  contracts: readonly string[],
  question: LedgerQuestion,
): Promise<unknown> {
  if (
    question.method === 'eth_call' &&
    !contracts.some((address) => address.toLowerCase() === question.params[0].to.toLowerCase())
  ) {
    throw new AttuneError('invalid', `only the contracts at ${contracts.join(' and ')} are read here`, {
      path: 'params',
    })
  }
  return ask(rpcUrl, question)
}

const id = z.union([z.int(), z.string().max(64)])
export const LedgerQuestion = z.discriminatedUnion('method', [
  z.object({ jsonrpc: z.literal('2.0'), id, method: z.literal('eth_chainId'), params: z.tuple([]).default([]) }),
  z.object({
    jsonrpc: z.literal('2.0'),
    id,
    method: z.literal('eth_call'),
    params: z.tuple([
      z.object({ to: z.string().regex(/^0x[0-9a-f]{40}$/i), data: z.string().regex(/^0x([0-9a-f]{2}){4,512}$/i) }),
      z.literal('latest'),
    ]),
  }),
])

export type LedgerQuestion = z.output<typeof LedgerQuestion>

async function ask(rpcUrl: string, question: LedgerQuestion): Promise<unknown> {
  try {
    const answer = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return await answer.json()
  } catch (error) {
    throw new AttuneError('unavailable', 'the chain does not answer; try again', { retryAfter: 10, cause: error })
  }
}
