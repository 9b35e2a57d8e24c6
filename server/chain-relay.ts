import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Config } from './config.ts'
import { AttuneError } from './errors.ts'

/** Longest wait for the node, milliseconds. */
const TIMEOUT_MS = 5_000

/**
 * Passes a page's questions on to the chain's node, so that a browser can check a proof itself:
 * JSON-RPC, and of it only which chain this is and reads of the ledger. Answers as the node does,
 * without the envelope. Whoever trusts nobody asks a node of their own (scripts/verify-epoch.ts).
 *
 * @throws ZodError, AttuneError invalid, unavailable
 */
export function chainRelay({ rpcUrl, contractAddress }: Config['blockchain']): RequestHandler {
  return async (request, response) => {
    if (rpcUrl === undefined || contractAddress === undefined) throw new AttuneError('unavailable', 'this installation has no chain')
    const question = Question.parse(request.body)
    if (question.method === 'eth_call' && question.params[0].to.toLowerCase() !== contractAddress.toLowerCase()) {
      throw new AttuneError('invalid', `only the ledger at ${contractAddress} is read here`, { path: 'params' })
    }
    response.json(await ask(rpcUrl, question))
  }
}

const id = z.union([z.int(), z.string().max(64)])
const Question = z.discriminatedUnion('method', [
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

async function ask(rpcUrl: string, question: z.output<typeof Question>): Promise<unknown> {
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
