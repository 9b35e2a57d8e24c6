import { setImmediate as nextTurn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Deps } from '../deps.ts'
import { latestVotesOf, openTo } from '../../core/db/agreement.ts'
import type { SessionBasics } from '../../core/db/sessions.ts'
import type { Caller } from '../../core/permissions.ts'
import { limits, type Agreement, type PowerQuery } from '../../core/protocol/index.ts'
import { powerOf } from '../../core/votes/agreement/power.ts'
import { agreementOf, type AgreementReport } from '../../core/votes/agreement/report.ts'
import { steered } from './admittance.ts'

/** Dividing answers that are shown, of so many that are looked at: the reader may not know the crowd's view of all. */
const DIVIDING = { shown: 5, considered: 50 }
/** The same votes have the same intervals, whoever asks and when. */
const SEED = 1

type Reports = LRUCache<string, AgreementReport, SessionBasics>

/**
 * How well the people agree who vote in a session, and how long it would take to know what they think. Its owner may
 * ask, and an administrator.
 *
 * @throws AttuneError not-found, forbidden
 */
export async function readAgreement(
  { pool }: Pick<Deps, 'pool'>,
  caller: Caller,
  sessionId: string,
  asked: PowerQuery,
): Promise<Agreement> {
  const session = await steered(pool, caller, sessionId)
  const { dividing, spread, pace, ...report } = await reportsOf(pool).forceFetch(sessionId, { context: session })
  const considered = dividing.slice(0, DIVIDING.considered)
  const texts = await openTo(
    pool,
    caller.userId,
    considered.map(({ sampleId }) => sampleId),
  )
  const shown = considered.flatMap((answer) => {
    const text = texts.get(answer.sampleId)
    return text === undefined ? [] : { ...answer, ...text }
  })
  return { ...report, dividing: shown.slice(0, DIVIDING.shown), power: powerOf(spread, pace, asked) }
}

/** A server's reports by session: each is made as seldom as `limits.agreement` says, however many ask. */
function reportsOf(pool: Deps['pool']): Reports {
  const made = reports.get(pool) ?? openReports(pool)
  reports.set(pool, made)
  return made
}

/** By the pool of a server, of which tests have several. */
const reports = new WeakMap<Deps['pool'], Reports>()

const openReports = (pool: Deps['pool']): Reports =>
  new LRUCache({
    max: 100,
    async fetchMethod(sessionId, _, { options, context: { configuration } }) {
      const { categories, minVotes } = configuration.live
      const votes = await latestVotesOf(pool, sessionId, limits.agreement.votes)
      const names = categories.map(({ name }) => name)
      const began = performance.now()
      const report = await unhurried(agreementOf(votes, { categories: names, wantedVotes: minVotes }, SEED))
      options.ttl = Math.max(limits.agreement.everyMs, (performance.now() - began) / limits.agreement.ofTime)
      return report
    },
  })

/** Does work that yields; votes and requests go first each time. */
async function unhurried<T>(work: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    await nextTurn()
  }
}
