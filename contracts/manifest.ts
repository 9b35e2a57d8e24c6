// An epoch's manifest: everything that its roots are recomputed from, and
// nothing that names a person. JSON Lines, so that a damaged byte spoils one
// line, and that line is a leaf. The format is written down in FORMAT.md.

import { type Hex, keccak256, stringToHex } from 'viem'
import { z } from 'zod'
import { canonicalJson } from './canonical.ts'
import { LedgerError } from './errors.ts'

export const MANIFEST_FORMAT = 'attune-epoch-2'

const decimal = z.string().regex(/^(0|[1-9][0-9]*)$/)
const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)])
const account = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)])

const Header = z.strictObject({
  format: z.literal(MANIFEST_FORMAT),
  chainId: decimal,
  ledger: account,
  epochId: decimal,
  contributionsRoot: hash,
  rewardsRoot: hash,
  /** Contribution lines that follow. */
  count: z.int().positive(),
  /** Account lines after those. */
  accounts: z.int().nonnegative(),
  /** All points, waiting ones included, before this epoch. */
  pointsBefore: decimal,
  /** Credits of this epoch. */
  credits: decimal,
  /** Points after this epoch of people who have linked no wallet yet. */
  unlinked: decimal,
})
const Contribution = z.strictObject({
  index: z.int().nonnegative(),
  session: hash,
  contributor: hash,
  kind: z.int().min(0).max(4),
  credit: decimal,
  recordHash: hash,
  leaf: hash,
})
const Reward = z.strictObject({ account, points: decimal, leaf: hash })

export type Manifest = {
  header: z.infer<typeof Header>
  contributions: readonly z.infer<typeof Contribution>[]
  /** Cumulative points by account, in ascending order of accounts. */
  rewards: readonly z.infer<typeof Reward>[]
}

/** The manifest's bytes: header, contributions, accounts; each line canonical JSON and a newline. */
export function writeManifest({ header, contributions, rewards }: Manifest): string {
  return [header, ...contributions, ...rewards].map((line) => `${canonicalJson(line)}\n`).join('')
}

/** Its content hash, keccak-256 of the UTF-8 bytes: what the chain holds. */
export function manifestHash(manifest: string): Hex {
  return keccak256(stringToHex(manifest))
}

/** Parses what `writeManifest` wrote. Throws `bad-manifest` with the line that is wrong. */
export function readManifest(manifest: string): Manifest {
  const [first = '', ...lines] = manifest.split('\n')
  lines.pop() // the empty piece after the last newline
  const header = parseLine(Header, first, 0)
  if (lines.length !== header.count + header.accounts) {
    throw new LedgerError('bad-manifest', `${lines.length} lines follow the header, not ${header.count + header.accounts}`)
  }
  return {
    header,
    contributions: lines.slice(0, header.count).map((line, i) => parseLine(Contribution, line, i + 1)),
    rewards: lines.slice(header.count).map((line, i) => parseLine(Reward, line, header.count + i + 1)),
  }
}

function parseLine<T>(schema: z.ZodType<T>, line: string, number: number): T {
  try {
    return schema.parse(JSON.parse(line))
  } catch (cause) {
    throw new LedgerError('bad-manifest', `line ${number + 1} of the manifest is malformed`, { cause })
  }
}
