// A manifest's lines, each recognised by its shape.

const HASH = '0x[0-9a-f]{64}'
const ACCOUNT = '0x[0-9a-f]{40}'
const HOLDER = `${ACCOUNT}(?:[0-9a-f]{24})?`
const AMOUNT = '0|[1-9][0-9]{0,77}'
const COUNT = '0|[1-9][0-9]{0,14}'
/** A day of minutes at most, each with its seconds. */
const MINUTES = '(?:[0-9]{1,15}:[1-9][0-9]{0,7}(?:,[0-9]{1,15}:[1-9][0-9]{0,7}){0,1439})?'

/** In their order in the manifest. Keys are in canonical order, so a kind of line has one form. */
const KINDS = {
  contribution: shape({
    contributor: text(HASH),
    credit: text(AMOUNT),
    index: COUNT,
    kind: '[0-4]',
    leaf: text(HASH),
    recordHash: text(HASH),
    session: text(HASH),
  }),
  earning: shape({ credits: text(AMOUNT), holder: text(HOLDER), leaf: text(HASH), session: text(HASH) }),
  move: shape({ account: text(ACCOUNT), leaf: text(HASH), payee: text(HASH) }),
  bounty: shape({
    before: text(AMOUNT),
    bounty: text(HASH),
    closedAt: COUNT,
    funded: text(AMOUNT),
    leaf: text(HASH),
    payout: text(AMOUNT),
    perCredit: text(AMOUNT),
    session: text(HASH),
    sponsor: text(ACCOUNT),
    token: text(ACCOUNT),
  }),
  balance: shape({
    amount: text(AMOUNT),
    before: text(AMOUNT),
    holder: text(HOLDER),
    leaf: text(HASH),
    pot: text(HASH),
  }),
  standing: shape({
    answers: COUNT,
    before: text(AMOUNT),
    comparable: COUNT,
    counted: text(AMOUNT),
    held: text(AMOUNT),
    leaf: text(HASH),
    person: text(HASH),
    seconds: COUNT,
    session: text(HASH),
  }),
  pace: shape({ before: text(MINUTES), leaf: text(HASH), person: text(HASH), worked: text(MINUTES) }),
}
const HEADER = {
  'attune-epoch-3': shape({
    balances: COUNT,
    block: text(AMOUNT),
    bounties: COUNT,
    chainId: text(AMOUNT),
    contributionsRoot: text(HASH),
    count: COUNT,
    distributor: text(ACCOUNT),
    earnings: COUNT,
    epochId: text(COUNT),
    format: text('attune-epoch-3'),
    ledger: text(ACCOUNT),
    minute: COUNT,
    moves: COUNT,
    paces: COUNT,
    rejectedAt: COUNT,
    rejections: COUNT,
    rewardsRoot: text(HASH),
    standings: COUNT,
    time: COUNT,
  }),
  // Written before votes had to qualify. Such an epoch is checked by the rules of its time.
  'attune-epoch-2': shape({
    balances: COUNT,
    block: text(AMOUNT),
    bounties: COUNT,
    chainId: text(AMOUNT),
    contributionsRoot: text(HASH),
    count: COUNT,
    distributor: text(ACCOUNT),
    earnings: COUNT,
    epochId: text(COUNT),
    format: text('attune-epoch-2'),
    ledger: text(ACCOUNT),
    moves: COUNT,
    rejectedAt: COUNT,
    rejections: COUNT,
    rewardsRoot: text(HASH),
    time: COUNT,
  }),
}

export type Kind = keyof typeof KINDS
/** `fields` by name, without quotes; null if the line has no shape that is allowed here. `number` counts from 1. */
export type Line = { number: number; place: number; fields: Fields | null }
export type Fields = { readonly [name: string]: string }
/** `former`: in the previous format. */
export type Lines = { header: Line; former: boolean; of: { readonly [kind in Kind]: readonly Line[] } }

/**
 * Sorts a manifest's bytes into lines by kind. A line of no shape counts with the
 * kind before it, so that damage to one line leaves the others where they are.
 */
export function readLines(bytes: Uint8Array): Lines {
  // Bytes that are not UTF-8 become U+FFFD, which no line may hold.
  const lines = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).split('\n')
  if (lines.at(-1) === '') lines.pop()
  const of: { [kind in Kind]: Line[] } = {
    contribution: [],
    earning: [],
    move: [],
    bounty: [],
    balance: [],
    standing: [],
    pace: [],
  }
  const kinds = Object.keys(KINDS) as Kind[]
  let at = 0
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue
    const found = kinds.findIndex((kind, k) => k >= at && KINDS[kind].test(line))
    if (found >= 0) at = found
    const kind = kinds[at] ?? 'pace'
    of[kind].push({ number: i + 1, place: of[kind].length, fields: found < 0 ? null : fieldsOf(KINDS[kind], line) })
  }
  const first = lines[0] ?? ''
  const fields = fieldsOf(HEADER['attune-epoch-3'], first) ?? fieldsOf(HEADER['attune-epoch-2'], first)
  return { header: { number: 1, place: 0, fields }, former: fields?.['format'] === 'attune-epoch-2', of }
}

function shape(members: { readonly [name: string]: string }): RegExp {
  return new RegExp(
    `^\\{${Object.entries(members)
      .map(([name, value]) => `"${name}":(?<${name}>${value})`)
      .join(',')}\\}$`,
  )
}

function text(pattern: string): string {
  return `"(?:${pattern})"`
}

function fieldsOf(form: RegExp, line: string): Fields | null {
  const groups = form.exec(line)?.groups
  if (groups === undefined) return null
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, value.replaceAll('"', '')]))
}
