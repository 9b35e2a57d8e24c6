import type { TestChain } from './chain.ts'

/**
 * Counts the calls of one or more ports. At call number `at`, from 0, `strike` runs: before its effect, or right after
 * it.
 */
export type Fault = { calls: number; at: number; when: 'before' | 'after'; strike: () => Promise<void> | void }

/** A port whose calls pass through, but for the one at which the fault strikes. */
export function faulty<T extends object>(port: T, fault: Fault): T {
  return new Proxy(port, {
    get(object, key, receiver) {
      const member: unknown = Reflect.get(object, key, receiver)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        const strikes = fault.calls++ === fault.at
        if (strikes && fault.when === 'before') await fault.strike()
        const result: unknown = await member.apply(object, args)
        if (strikes && fault.when === 'after') await fault.strike()
        return result
      }
    },
  })
}

export class Killed extends Error {}

/** A process that ends here. */
export function kill(): never {
  throw new Killed()
}

/** Replaces the last blocks by empty ones: their transactions are gone. */
export async function reorganise(chain: TestChain, depth: number): Promise<void> {
  // anvil, asked for this while it mines a transaction, may end up with it in two blocks.
  while ((await chain.control.waiting()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await chain.control.reorganise({ depth })
}
