import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { Place } from './bounties.ts'
import { isDuplicate, type Db } from './pool.ts'
import { AttuneError } from '../errors.ts'
import type { RelayedClaim } from '../protocol/rewards.ts'

/** What a relayer has to send, and its state. */
export interface RelayJob {
  id: string
  bounty: Hex
  account: Address
  amount: bigint
  epochId: number
  proof: Hex[]
  recipient: Address
  /** Seconds since 1970. */
  deadline: number
  signature: Hex
  state: 'waiting' | 'sent'
  txHash: Hex | null
  bumps: number
  /** Since its transaction was last sent, or since it was received. */
  ageMs: number
}

/** @throws AttuneError conflict if one of this account and bounty is in progress */
export async function insertRelayed(
  db: Db,
  { chainId, distributor }: Place,
  userId: string,
  claim: Omit<RelayJob, 'state' | 'txHash' | 'bumps' | 'ageMs'>,
): Promise<void> {
  try {
    await db.query(
      `insert into relayed_claims (id, user_id, chain_id, distributor, bounty, account, amount, epoch_id, proof, recipient, deadline, signature)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        claim.id,
        userId,
        chainId,
        distributor,
        claim.bounty,
        claim.account,
        String(claim.amount),
        claim.epochId,
        claim.proof,
        claim.recipient,
        claim.deadline,
        claim.signature,
      ],
    )
  } catch (error) {
    if (isDuplicate(error, 'relayed_claims_open'))
      throw new AttuneError('conflict', 'a claim of this bounty is under way already')
    throw error
  }
}

/** How many were submitted in the last day by one person, and in the last hour by everybody. */
export async function countRelayed(db: Db, userId: string): Promise<{ byUser: number; byAll: number }> {
  const { rows } = await db.query<{ byUser: number; byAll: number }>(
    `select (select count(*) from relayed_claims where user_id = $1 and created_at > clock_timestamp() - interval '1 day') as "byUser",
            (select count(*) from relayed_claims where created_at > clock_timestamp() - interval '1 hour') as "byAll"`,
    [userId],
  )
  return rows[0]!
}

/** The oldest claim that is not settled; one is sent at a time. */
export async function nextRelayed(db: Db, { chainId, distributor }: Place): Promise<RelayJob | null> {
  const { rows } = await db.query<Omit<RelayJob, 'amount'> & { amount: string }>(
    `select id, bounty, account, amount, epoch_id as "epochId", proof, recipient, deadline, signature, state, tx_hash as "txHash", bumps,
            (extract(epoch from clock_timestamp() - updated_at) * 1000)::float8 as "ageMs"
     from relayed_claims where chain_id = $1 and distributor = $2 and state in ('waiting', 'sent')
     order by state = 'sent' desc, created_at, id limit 1`,
    [chainId, distributor],
  )
  return rows[0] === undefined ? null : { ...rows[0], amount: BigInt(rows[0].amount) }
}

export async function markRelayed(
  db: Db,
  id: string,
  change: { state: RelayedClaim['state']; txHash?: Hex; bumps?: number; problem?: string },
): Promise<void> {
  await db.query(
    `update relayed_claims set state = $2, tx_hash = coalesce($3, tx_hash), bumps = coalesce($4, bumps), problem = $5,
       updated_at = case when $3::text is null then updated_at else clock_timestamp() end
     where id = $1`,
    [id, change.state, change.txHash ?? null, change.bumps ?? null, change.problem ?? null],
  )
}

/** A person's last claim of each bounty that was given to the relayer. */
export async function relayedOf(
  db: Db,
  { chainId, distributor }: Place,
  userId: string,
): Promise<Map<string, RelayedClaim>> {
  const { rows } = await db.query<{
    bounty: string
    state: RelayedClaim['state']
    amount: string
    recipient: string
    txHash: string | null
    problem: string | null
    created_at: Date
  }>(
    `select distinct on (bounty) bounty, state, amount, recipient, tx_hash as "txHash", problem, created_at
     from relayed_claims where chain_id = $1 and distributor = $2 and user_id = $3 order by bounty, created_at desc`,
    [chainId, distributor, userId],
  )
  return new Map(
    rows.map(({ bounty, created_at, ...claim }) => [bounty, { ...claim, timestamp: created_at.toISOString() }]),
  )
}
