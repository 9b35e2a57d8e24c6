import type { Pool } from 'pg'
import type { Receipt } from '../protocol/index.ts'

/** A receipt and whom it is for. */
export interface AddressedReceipt {
  userId: string
  receipt: Receipt
}

const select = `
  select r.feedback_id, r.session_id, f.sample_id, r.step, r.weight, r.reliability, r.crowd, r.advantage,
         r.latency_ms, r.comparable, r.updated, r.final, r.logprob_before, r.logprob_after, f.user_id, step.set_aside
  from receipts r join feedback f on f.id = r.feedback_id
  join steps step on (step.session_id, step.step) = (r.session_id, r.step)`

/** The receipts that these steps wrote, for those of the requested authors. */
export async function receiptsOfSteps(
  pool: Pool,
  sessionId: string,
  steps: number[],
  userIds: string[],
): Promise<AddressedReceipt[]> {
  const { rows } = await pool.query<Row>(
    `${select} where r.session_id = $1 and r.step = any($2::int[]) and f.user_id = any($3::uuid[])`,
    [sessionId, steps, userIds],
  )
  return rows.map((row) => ({ userId: row.user_id, receipt: toReceipt(row) }))
}

/** A rater's receipts, newest first; of one session if given. */
export async function receiptsOfUser(
  pool: Pool,
  userId: string,
  limit: number,
  sessionId?: string,
): Promise<Receipt[]> {
  const { rows } = await pool.query<Row>(
    `${select} where f.user_id = $1 and ($3::text is null or r.session_id = $3) order by r.created_at desc limit $2`,
    [userId, limit, sessionId ?? null],
  )
  return rows.map(toReceipt)
}

interface Row {
  feedback_id: string
  session_id: string
  sample_id: string | null
  step: number
  weight: number
  reliability: number
  crowd: number | null
  advantage: number | null
  latency_ms: number
  comparable: number
  updated: boolean
  final: boolean
  logprob_before: number | null
  logprob_after: number | null
  user_id: string
  set_aside: boolean
}

function toReceipt(row: Row): Receipt {
  return {
    feedbackId: row.feedback_id,
    sessionId: row.session_id,
    sampleId: row.sample_id,
    step: row.step,
    weight: row.weight,
    reliability: row.reliability,
    crowd: row.crowd,
    advantage: row.advantage,
    latencyMs: row.latency_ms,
    comparable: row.comparable,
    updated: row.updated,
    provisional: !row.final,
    logprob:
      row.logprob_before === null || row.logprob_after === null
        ? null
        : { before: row.logprob_before, after: row.logprob_after },
    ...(row.set_aside && { setAside: true }),
  }
}
