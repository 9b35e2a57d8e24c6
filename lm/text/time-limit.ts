/** A time limit for work that untrusted files control: patterns with catastrophic backtracking, templates that loop. */
import { createContext, Script } from 'node:vm'

/**
 * Time limit for tokenizing, decoding or rendering one text, seconds. A text of a few thousand words takes 10
 * ms.
 */
const SECONDS = 10

const context = createContext({ work: null as (() => unknown) | null })
const script = new Script('work()')

/**
 * Runs synchronous work, and interrupts it after ten seconds, even within a regular expression or a loop.
 *
 * @throws Error naming `what` where it takes longer
 */
export function withinTime<T>(what: string, work: () => T, seconds = SECONDS): T {
  const outer: unknown = context.work
  context.work = work
  try {
    return script.runInContext(context, { timeout: seconds * 1_000 }) as T
  } catch (error) {
    // An Error of the context's own realm, so `instanceof` fails.
    if (!(
      typeof error === 'object' &&
      error !== null &&
      'code' in error &&
      error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    ))
      throw error
    throw new Error(`${what} took longer than ${seconds} s and was stopped`, { cause: error })
  } finally {
    context.work = outer
  }
}
