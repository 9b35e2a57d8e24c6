// An epoch's manifest: everything from which its roots and payouts can
// be recomputed, and nothing that identifies a person. JSON Lines, so that a corrupt byte affects one line. FORMAT.md
// specifies the format.

import { z } from 'zod'
import { canonicalJson } from './canonical.ts'
import { LedgerError } from '../errors.ts'
import type { Hex } from '../hex.ts'
import { textHash } from './hash.ts'
import { QUALIFYING_VOTES } from './standing.ts'

export const MANIFEST_FORMAT = 'attune-epoch-3'
/** The former format, from before votes had to qualify: read, but no longer written. */
const FORMER_FORMAT = 'attune-epoch-2'

const decimal = z.string().regex(/^(0|[1-9][0-9]*)$/)
const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)])
const account = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)])
const holder = z.union([account, hash])
const seconds = z.int().nonnegative()
const lines = z.int().nonnegative()

const FormerHeader = z.strictObject({
  format: z.literal(FORMER_FORMAT),
  chainId: decimal,
  ledger: account,
  /** Zero where nothing is paid. */
  distributor: account,
  epochId: decimal,
  rejections: z.int().nonnegative(),
  /** The block at which the bounties were read, and its time; when the ledger last took epochs back. */
  block: decimal,
  time: seconds,
  rejectedAt: seconds,
  contributionsRoot: hash,
  rewardsRoot: hash,
  /** How many lines of each kind follow, in this order. */
  count: z.int().positive(),
  earnings: lines,
  moves: lines,
  bounties: lines,
  balances: lines,
})
const Header = FormerHeader.extend({
  format: z.literal(MANIFEST_FORMAT),
  /** The newest minute of anybody's work, minutes since 1970; 0 for none. */
  minute: seconds,
  standings: lines,
  paces: lines,
})
const AnyHeader = z.discriminatedUnion('format', [
  Header,
  FormerHeader.transform((header) => ({ ...header, minute: 0, standings: 0, paces: 0 })),
])
const Contribution = z.strictObject({
  index: z.int().nonnegative(),
  session: hash,
  contributor: hash,
  kind: z.int().min(0).max(4),
  credit: decimal,
  recordHash: hash,
  leaf: hash,
})
const Earning = z.strictObject({ session: hash, holder, credits: decimal, leaf: hash })
const Moved = z.strictObject({ payee: hash, account, leaf: hash })
const Bounty = z.strictObject({
  bounty: hash,
  session: hash,
  sponsor: account,
  token: account,
  perCredit: decimal,
  funded: decimal,
  closedAt: seconds,
  /** Allocated by earlier epochs, and by this one. */
  before: decimal,
  payout: decimal,
  leaf: hash,
})
const BalanceLine = z.strictObject({ pot: hash, holder, before: decimal, amount: decimal, leaf: hash })
const StandingLine = z.strictObject({
  session: hash,
  person: hash,
  seconds: z.int().positive(),
  answers: z.int().nonnegative(),
  comparable: z.int().min(0).max(QUALIFYING_VOTES),
  counted: decimal,
  before: decimal,
  held: decimal,
  leaf: hash,
})
const minutes = z.string().regex(/^(\d+:\d+(,\d+:\d+)*)?$/)
const PaceLine = z.strictObject({ person: hash, before: minutes, worked: minutes, leaf: hash })

export type Manifest = {
  header: z.infer<typeof AnyHeader>
  /** In order of their index. */
  contributions: readonly z.infer<typeof Contribution>[]
  /** Credits of this epoch, in ascending order of session and holder. */
  earnings: readonly z.infer<typeof Earning>[]
  /** In ascending order of payees. */
  moves: readonly z.infer<typeof Moved>[]
  /** In ascending order. */
  bounties: readonly z.infer<typeof Bounty>[]
  /** What everybody has earned so far, in ascending order of pot and holder. */
  balances: readonly z.infer<typeof BalanceLine>[]
  /** Counted and held credits, in ascending order of session and person. */
  standings: readonly z.infer<typeof StandingLine>[]
  /** Everybody's recent minutes of work, in ascending order of persons. */
  paces: readonly z.infer<typeof PaceLine>[]
}

/** The manifest's bytes: each line canonical JSON and a newline. */
export function writeManifest({
  header,
  contributions,
  earnings,
  moves,
  bounties,
  balances,
  standings,
  paces,
}: Manifest): string {
  const lines = [header, ...contributions, ...earnings, ...moves, ...bounties, ...balances, ...standings, ...paces]
  return lines.map((line) => `${canonicalJson(line)}\n`).join('')
}

/** Its content hash, keccak-256 of the UTF-8 bytes, as stored on the chain. */
export function manifestHash(manifest: string): Hex {
  return textHash(manifest)
}

/**
 * Parses what `writeManifest` wrote, or wrote in the format before: then there are no standings and no paces. Throws
 * `bad-manifest` with the line that is wrong.
 */
export function readManifest(manifest: string): Manifest {
  const rest = manifest.split('\n')
  rest.pop() // the empty piece after the last newline
  const total = rest.length
  const take = <T>(schema: z.ZodType<T>, count: number): T[] => {
    const first = total - rest.length
    return rest.splice(0, count).map((line, i) => parseLine(schema, line, first + i + 1))
  }
  const header = parseLine(AnyHeader, rest.shift() ?? '', 1)
  const { count, earnings, moves, bounties, balances, standings, paces } = header
  const expected = count + earnings + moves + bounties + balances + standings + paces
  if (rest.length !== expected)
    throw new LedgerError('bad-manifest', `${rest.length} lines follow the header, not ${expected}`)
  return {
    header,
    contributions: take(Contribution, count),
    earnings: take(Earning, earnings),
    moves: take(Moved, moves),
    bounties: take(Bounty, bounties),
    balances: take(BalanceLine, balances),
    standings: take(StandingLine, standings),
    paces: take(PaceLine, paces),
  }
}

function parseLine<T>(schema: z.ZodType<T>, line: string, number: number): T {
  try {
    return schema.parse(JSON.parse(line))
  } catch (cause) {
    throw new LedgerError('bad-manifest', `line ${number} of the manifest is malformed`, { cause })
  }
}
