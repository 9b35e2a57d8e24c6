/** Work whose length a stranger's file decides: patterns that backtrack without end, templates that loop. */
import { createContext, Script } from 'node:vm'

/**
 * The most seconds that one text may take to be tokenized, decoded or written out. A text of a few thousand words takes
 * a hundredth of one.
 */
const SECONDS = 10

const context = createContext({ work: null as (() => unknown) | null })
const script = new Script('work()')

/**
 * Does synchronous work, and ends it after ten seconds, in the midst of a regular expression or a loop.
 *
 * @throws Error naming `what` where it takes longer
 */
export function withinTime<T>(what: string, work: () => T, seconds = SECONDS): T {
  const outer: unknown = context.work
  context.work = work
  try {
    return script.runInContext(context, { timeout: seconds * 1_000 }) as T
  } catch (error) {
    // Of the context's own kind of Error, which is none of ours.
    if (!(
      typeof error === 'object' &&
      error !== null &&
      'code' in error &&
      error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    ))
      throw error
    throw new Error(`${what} was not done after ${seconds} s, and was stopped`, { cause: error })
  } finally {
    context.work = outer
  }
}
