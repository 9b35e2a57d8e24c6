import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { call, openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { signInAsGuest } from '../../scripts/crowd/account.ts'
import { runCrowd } from '../../scripts/crowd/crowd.ts'
import type { Progress } from '../../scripts/crowd/options.ts'
import type { CrowdReport } from '../../scripts/crowd/report.ts'
import type { Instance } from '../../scripts/study/instance.ts'
import type { ProcessName } from '../../scripts/start/attune.ts'
import { openReader, type Reader } from './chromium.ts'
import { currentStep, startQuickSession, until } from './sessions.ts'

const RATERS = 4
/** How long the chain stands still, at least, milliseconds. */
const STANDSTILL_MS = 12_000

/** Each part is killed, and the chain stopped, while simulated raters vote and a browser watches. */
export function survivesKills(opened: () => Instance, chromium: string | null): void {
  describe('kill -9 in mid-run, and a chain that stands still', () => {
    const goHome = new AbortController()
    let crowd: Promise<CrowdReport>
    let progress: Progress | undefined
    let watcher: Reader | undefined
    let sessionId: string

    beforeAll(async () => {
      sessionId = (await startQuickSession(opened(), 'Kills')).id
      crowd = runCrowd({
        url: opened().attune.url,
        session: sessionId,
        raters: RATERS,
        seconds: 600,
        seed: 7,
        pace: { medianMs: 1_000, sigma: 0.3 },
        drainSeconds: 20,
        signal: goHome.signal,
        onProgress: (now) => (progress = now),
      })
      // A failure is reported by the test that awaits it.
      crowd.catch(() => undefined)
      if (chromium !== null) {
        watcher = await openReader(chromium, opened().attune.url)
        await watcher.page.goto(`/session/${sessionId}`)
      }
      await steps(1)
    }, 120_000)
    afterAll(async () => {
      goHome.abort()
      await Promise.allSettled([crowd, watcher?.close()])
    }, 90_000)

    /** Waits until this many more steps are committed. */
    const steps = async (more: number): Promise<void> => {
      const from = await currentStep(opened(), sessionId)
      await until(`step ${from + more}`, 75, async () => (await currentStep(opened(), sessionId)) >= from + more)
    }
    const votes = () => progress?.raters.flatMap((rater) => [...rater.votes]) ?? []

    const survives = async (name: ProcessName, more = 1): Promise<void> => {
      const { attune } = opened()
      const before = attune.pids()[name]
      const sent = votes().length
      attune.kill(name, 'SIGKILL')
      await until(`a new ${name}`, 30, async () => {
        const now = attune.pids()[name]
        return now !== undefined && now !== before
      })
      await steps(more)
      await until('new votes', 30, async () => votes().length > sent)
      await until('everybody connected', 20, async () => progress?.raters.every((rater) => rater.connected) === true)
      if (watcher) {
        await watcher.page.waitForSelector('[data-testid=connection][data-connection=live]', {
          timeout: 20_000,
          state: 'attached',
        })
        const step = await currentStep(opened(), sessionId)
        await watcher.page.waitForFunction(
          (atLeast) => {
            const shown = /step ([\d,]+)/.exec(document.querySelector('[data-testid=last-step]')?.textContent ?? '')
            return shown !== null && Number(shown[1]!.replaceAll(',', '')) >= atLeast
          },
          step,
          { timeout: 30_000 },
        )
      }
    }

    // Two steps, since a first one may have been all but committed.
    test(
      'T1: the trainer and the run in it die: the run goes on from the last committed step',
      () => survives('trainer', 2),
      120_000,
    )
    test('P3: the server dies: raters and page reconnect and catch up', () => survives('server'), 120_000)
    test('P3: Redis dies: nothing but events is lost, and a snapshot makes them good', () => survives('redis'), 120_000)
    test('C4: the recorder dies: epochs go on, and no record is in two of them (C1)', async () => {
      const epochs = () => epochCount(opened())
      await until('an epoch', 60, async () => (await epochs()) > 0)
      const before = await epochs()
      await survives('recorder')
      await until('another epoch', 60, async () => (await epochs()) > before)
    })

    test('a chain that stands still holds up no vote, no step and no answer; once it goes on, it gets every record', async () => {
      const { attune, pool } = opened()
      const before = votes().length
      attune.kill('chain', 'SIGSTOP')
      try {
        await Promise.all([sleep(STANDSTILL_MS), steps(1), answersWithoutChain(opened(), sessionId)])
        const given = votes().slice(before)
        expect(given.length).toBeGreaterThan(RATERS)
        await until('every vote given so far is acknowledged', 20, async () =>
          given.every((vote) => vote.ackedAt !== null || vote.refused !== null),
        )
      } finally {
        attune.kill('chain', 'SIGCONT')
      }
      const ids = votes()
        .slice(before)
        .map(({ id }) => id)
      await until('what was given meanwhile and used is in confirmed epochs', 90, async () => {
        const { rows } = await pool.query<{ used: number; recorded: number }>(
          `select count(*)::int as used, count(e.id)::int as recorded
           from receipts r left join epoch_records er using (feedback_id)
           left join epochs e on (e.chain_id, e.ledger, e.id) = (er.chain_id, er.ledger, er.epoch_id) and e.confirmed_at is not null
           where r.feedback_id = any($1)`,
          [ids],
        )
        return rows[0]!.used > 0 && rows[0]!.recorded === rows[0]!.used
      })
    })

    test('V1, V2, T1: no acknowledged vote was lost, and none was used twice', async () => {
      goHome.abort()
      const report = await crowd
      const { pool } = opened()
      const acknowledged = report.votes.filter((vote) => vote.ackedAt !== null)
      expect(acknowledged.length).toBeGreaterThan(RATERS)
      expect(report.votes.filter((vote) => vote.refused !== null)).toEqual([])
      const { rows: stored } = await pool.query<{ id: string }>(
        'select id from feedback where session_id = $1 and withdrawn_at is null',
        [sessionId],
      )
      const ids = new Set(stored.map((row) => row.id))
      expect(acknowledged.filter((vote) => !ids.has(vote.id))).toEqual([])
      // What was never acknowledged may still be stored; what is stored was sent.
      expect(stored.length).toBeLessThanOrEqual(report.sent)

      // The key of receipts allows one a vote; each is of a step that happened, after its sample's.
      const { rows: wrong } = await pool.query(
        `select r.feedback_id from receipts r join feedback f on f.id = r.feedback_id
         left join samples s on s.id = f.sample_id left join steps t on t.session_id = r.session_id and t.step = r.step
         where r.session_id = $1 and (t.step is null or r.step < s.step)`,
        [sessionId],
      )
      expect(wrong).toEqual([])
      const { rows: counted } = await pool.query<{ step: number; said: number; receipts: number }>(
        `select t.step, t.votes as said, count(r.feedback_id)::int as receipts from steps t
         left join receipts r using (session_id, step) where t.session_id = $1 group by t.step, t.votes order by t.step`,
        [sessionId],
      )
      expect(counted.map(({ step }) => step)).toEqual(counted.map((_, i) => i + 1))
      for (const { said, receipts } of counted) expect(receipts).toBe(said)
      // Every vote that came in time was used. (One that came too late waits for the next step, and that for votes.)
      const { rows: unused } = await pool.query(
        `select f.id from feedback f join samples s on s.id = f.sample_id left join receipts r on r.feedback_id = f.id
         where f.session_id = $1 and f.created_at <= s.closed_at and s.step <= (select current_step from sessions where id = $1)
           and r.feedback_id is null`,
        [sessionId],
      )
      expect(unused).toEqual([])
      expect(report.used).toBeGreaterThan(0.8 * report.acknowledged)
      expect(report.reconnects).toBeGreaterThanOrEqual(RATERS)
    }, 120_000)

    test('C1: no vote is in two epochs, and each epoch’s count is that of its records, on the chain as well', async () => {
      const { pool, attune } = opened()
      const { rows } = await pool.query<{ id: number; count: number; records: number; distinct: number }>(
        `select e.id, e.count, count(*)::int as records, count(distinct r.feedback_id)::int as distinct
         from epochs e join epoch_records r on r.epoch_id = e.id where e.confirmed_at is not null group by e.id, e.count`,
      )
      const provider = openProvider(attune.rpcUrl, 31_337)
      const ledger = { address: attune.ledger as Address, abi: ledgerInterface }
      for (const { id, count, records, distinct } of rows) {
        const onChain = await call<{ count: number }>(provider, ledger, 'epochs', [id])
        expect([records, distinct, onChain.count]).toEqual([count, count, count])
      }
    })
  })
}

/** Somebody new comes while the chain is away, and everything that they may ask is answered at the first try. */
async function answersWithoutChain({ attune: { url } }: Instance, sessionId: string): Promise<void> {
  const get = async (path: string, token?: string) => {
    const answer = await fetch(`${url}/api/${path}`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    expect(answer.status, path).toBe(200)
    return answer.text()
  }
  await until('the server sees that the chain is away', 30, async () =>
    (await get('status')).includes('"blockchain":"down"'),
  )
  const token = await (await signInAsGuest(url, 'Late')).token()
  for (const path of [
    `training/${sessionId}`,
    `training/${sessionId}/samples`,
    `metrics/${sessionId}`,
    `bounties/${sessionId}`,
    'feedback/receipts',
    'claims',
  ]) {
    await get(path, token)
  }
}

async function epochCount({ pool }: Instance): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    'select count(*)::int as n from epochs where confirmed_at is not null',
  )
  return rows[0]?.n ?? 0
}
