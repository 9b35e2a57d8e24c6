import { sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { bountiesOf } from './bounties.ts'
import type { BountyChain, FundedBounty } from '../../contracts/ledger/client/bounties.ts'
import { readOn } from './chain-events.ts'
import { publish, type Deps } from '../deps.ts'
import { bountiesAt, dropBounty, saveBounty, type BountyRow } from '../../core/db/bounties.ts'
import { sessionIds } from '../../core/db/sessions.ts'

/** A token without declared decimals is shown in its smallest unit. */
const NAMELESS = { symbol: 'token', decimals: 0 }

/**
 * Keeps the bounties in Postgres as the chain has them, and notifies the rooms of changes. Every
 * server does: writing the same twice changes nothing. One poll at a time; `look` throws
 * LedgerError `unreachable` if the chain is away.
 */
export function createBountyWatch(deps: Deps, chain: BountyChain, fromBlock: bigint): { look: () => Promise<void> } {
  /** Session ids by their name on chain. */
  const sessions = new Map<string, string>()
  /** What each room was last sent. */
  const told = new Map<string, string>()

  async function sessionOf(key: string): Promise<string | undefined> {
    if (!sessions.has(key)) for (const id of await sessionIds(deps.pool)) sessions.set(sessionKey(id), id)
    return sessions.get(key)
  }

  const discover = (): Promise<void> =>
    readOn(deps.pool, {
      chainId: chain.chainId,
      contract: chain.distributor,
      fromBlock,
      head: chain.head,
      async read(from, to) {
        for (const funded of await chain.fundedIn(from, to)) await take(funded)
      },
    })

  async function take({ session, ...funded }: FundedBounty): Promise<void> {
    const sessionId = await sessionOf(session)
    const state = await chain.bounty(funded.id)
    // The distributor may serve other installations' sessions as well.
    if (sessionId === undefined || state === null) return
    await saveBounty(deps.pool, chain, {
      ...funded,
      ...((await chain.token(funded.token)) ?? NAMELESS),
      ...state,
      sessionId,
    })
  }

  async function refresh(row: BountyRow): Promise<void> {
    const state = await chain.bounty(row.id)
    if (state === null) await dropBounty(deps.pool, chain, row.id)
    else if (!isSame(row, state)) await saveBounty(deps.pool, chain, { ...row, ...state })
  }

  async function tell(sessionId: string): Promise<void> {
    const bounties = await bountiesOf(deps, sessionId)
    const news = JSON.stringify(bounties)
    if (told.get(sessionId) === news) return
    told.set(sessionId, news)
    publish(deps, sessionId, { event: 'bounties-changed', payload: { sessionId, bounties } })
  }

  return {
    async look() {
      await discover()
      const known = await bountiesAt(deps.pool, chain)
      await Promise.all(known.map(refresh))
      for (const sessionId of new Set([...known.map((row) => row.sessionId), ...told.keys()])) await tell(sessionId)
    },
  }
}

const isSame = (a: BountyRow, b: Pick<BountyRow, 'funded' | 'pot' | 'perCredit' | 'closedAt'>): boolean =>
  a.funded === b.funded &&
  a.pot === b.pot &&
  a.perCredit === b.perCredit &&
  a.closedAt?.getTime() === b.closedAt?.getTime()
