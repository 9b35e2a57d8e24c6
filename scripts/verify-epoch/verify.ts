import { type ChainEpoch, readBounty, readEpoch, readLedgerOf, readRejections, readTime } from './chain.ts'
import { type Check, type Finding, ascends, bytes, domain, openCheck } from './check.ts'
import { type Hex, keccak256, tag, treeRoot, word } from './hashes.ts'
import { type Line, type Lines, readLines } from './lines.ts'
import { type Earned, expectedBalances, payoutOf, pricesOf } from './payouts.ts'
import { checkMinutes, checkPaces, checkStandings, goesOn } from './standings.ts'

/**
 * Recomputes every leaf, both roots, every payout and balance and the content hash of an epoch's
 * manifest, and compares them, and the bounties that the payouts come from, with the chain.
 *
 * @param previous the manifest of the epoch before; with it, that this one continues from there
 * @throws Error if the node does not respond, or has no such ledger or epoch
 */
export async function verifyEpoch(question: Question): Promise<Report> {
  const { epochId, manifest, previous, rpcUrl, contract } = question
  const epoch = await readEpoch(rpcUrl, contract, epochId)
  const lines = readLines(manifest)
  const check = openCheck(lines)
  await checkHeader(check, epoch, rpcUrl)
  checkContributions(check, epoch)
  const earned = checkEarnings(check, epoch)
  const released = checkStandings(check, epoch)
  checkCredits(check, earned, released)
  checkPaces(check, epoch)
  checkMoves(check, epoch)
  const notes = await checkBounties(check, epoch, earned, rpcUrl)
  checkBalances(check, epoch, earned)
  const before = previous === undefined ? null : readLines(previous)
  if (before !== null) checkPrevious(check, before)
  checkSums(check, epoch)
  await checkHash(check, epoch, manifest, rpcUrl)
  // By the header's minute, which is in no leaf: checkHash has reported whether the header is the one that was
  // recorded.
  checkMinutes(check)
  if (before !== null) goesOn(check, before)
  const { contribution, balance, bounty } = lines.of
  return {
    ok: check.damaged.length + check.wrong.length === 0,
    epochId,
    contributions: contribution.length,
    bounties: bounty.length,
    balances: balance.length,
    credits: sum(contribution, 'credit'),
    finalAt: epoch.finalAt,
    wrong: [...check.damaged.sort(byLine), ...check.wrong.sort(byLine)],
    notes,
  }
}

export type Question = {
  epochId: number
  manifest: Uint8Array
  rpcUrl: string
  contract: string
  previous?: Uint8Array
}
/**
 * `wrong` lists first the lines that do not fit their own hash, then those that
 * do not fit the others, then what all add up to; `notes` are what could not be
 * checked.
 */
export type Report = {
  ok: boolean
  epochId: number
  contributions: number
  bounties: number
  balances: number
  credits: bigint
  /** Seconds since 1970. */
  finalAt: number
  wrong: readonly Finding[]
  notes: readonly string[]
}
async function checkHeader(
  { header, former, of, damaged, say, sum: total }: Check,
  epoch: ChainEpoch,
  rpcUrl: string,
): Promise<void> {
  const { fields } = header
  if (fields === null) {
    damaged.push({
      line: 1,
      where: 'header (line 1)',
      problem: 'is not a header of format attune-epoch-3, nor of attune-epoch-2',
    })
    return
  }
  const { chainId, ledger, epochId, contributionsRoot, rewardsRoot, count } = epoch
  for (const [name, fact] of Object.entries({ chainId, ledger, epochId, contributionsRoot, rewardsRoot, count })) {
    say('header', header, fields[name] === String(fact), `says ${name} ${fields[name]}, but it is ${fact}`)
  }
  // Reported last: a line that cannot be read may be missing here.
  const counts = {
    earnings: of.earning,
    moves: of.move,
    bounties: of.bounty,
    balances: of.balance,
    ...(!former && { standings: of.standing, paces: of.pace }),
  }
  for (const [name, { length }] of Object.entries(counts))
    total('header (line 1)', fields[name] === String(length), `says ${fields[name]} ${name}, there are ${length}`)
  const time = await readTime(rpcUrl, BigInt(fields['block'] ?? 0))
  say(
    'header',
    header,
    fields['time'] === String(time),
    `says block ${fields['block']} was at ${fields['time']}, but it was at ${time ?? 'no time: the chain has no such block'}`,
  )
  const distributor = fields['distributor'] ?? ''
  const paysBy = /^0x0+$/.test(distributor) ? ledger : await readLedgerOf(rpcUrl, distributor)
  say('header', header, paysBy === ledger, `names the distributor ${distributor}, which does not pay by this ledger`)
}

function checkContributions({ each, say, hash }: Check, epoch: ChainEpoch): void {
  each('contribution', (f, line) => {
    hash('contribution', line, [
      ...domain(epoch),
      word(line.place),
      bytes(f['session']),
      bytes(f['contributor']),
      word(f['kind'] ?? 0),
      word(f['credit'] ?? 0),
      bytes(f['recordHash']),
    ])
    say('contribution', line, f['index'] === String(line.place), `has index ${f['index']}`)
    say(
      'contribution',
      line,
      f['kind'] !== '1' || BigInt(f['credit'] ?? 0) <= 100n,
      `a vote earns 100 credits at most, not ${f['credit']}`,
    )
  })
}

/** Credits by session and holder. */
function checkEarnings({ of, each, say, hash }: Check, epoch: ChainEpoch): Earned {
  const earned: Earned = new Map()
  each('earning', (f, line) => {
    const { session = '', holder = '', credits = '0' } = f
    hash('earning', line, [...domain(epoch), tag('attune:earning'), bytes(session), word(holder), word(credits)])
    say('earning', line, credits !== '0', 'earns nothing')
    earned.set(session, (earned.get(session) ?? new Map<string, bigint>()).set(holder, BigInt(credits)))
  })
  ascends('earning', of.earning, ({ session, holder }) => `${session}${holder}`, say)
  return earned
}

/**
 * Each session pays what its contributions earned; of its votes, what standings release. In the former format all of
 * it, at once.
 */
function checkCredits({ of, former, sum: total }: Check, earned: Earned, released: ReadonlyMap<string, bigint>): void {
  const paid = new Map(released)
  for (const { fields } of of.contribution) {
    const { session = '', kind, credit = '0' } = fields ?? {}
    if (former || kind !== '1') paid.set(session, (paid.get(session) ?? 0n) + BigInt(credit))
  }
  for (const session of new Set([...paid.keys(), ...earned.keys()])) {
    const earnings = [...(earned.get(session) ?? new Map<string, bigint>()).values()].reduce((a, b) => a + b, 0n)
    const credits = paid.get(session) ?? 0n
    total(`session ${session}`, earnings === credits, `${credits} credits are paid in it, its earnings are ${earnings}`)
  }
}

function checkMoves({ of, each, say, hash }: Check, epoch: ChainEpoch): void {
  each('move', (f, line) => {
    hash('move', line, [...domain(epoch), tag('attune:move'), bytes(f['payee']), word(f['account'] ?? 0)])
  })
  ascends('move', of.move, ({ payee }) => payee ?? '', say)
}

/** Returns what could not be checked. */
async function checkBounties(
  { header, former, of, each, say, hash }: Check,
  epoch: ChainEpoch,
  earned: Earned,
  rpcUrl: string,
): Promise<string[]> {
  if (header.fields === null) return []
  const { distributor = '', block = '0', time = '0', rejectedAt = '0', rejections } = header.fields
  each('bounty', (f, line) => {
    const { session = '', sponsor = '', token = '', payout = '0', before = '0' } = f
    const id = keccak256(`0x${word(epoch.chainId)}${word(distributor)}${bytes(session)}${word(sponsor)}${word(token)}`)
    say('bounty', line, f['bounty'] === id, `its session, sponsor and token make the id ${id}, not ${f['bounty']}`)
    const holders = earned.get(session) ?? new Map<string, bigint>()
    const credits = [...holders.values()].reduce((a, b) => a + b, 0n)
    const due = payoutOf(f, pricesOf(f, holders, former), { time: Number(time), rejectedAt: Number(rejectedAt) })
    say('bounty', line, payout === String(due), `pays ${payout}, but ${credits} credits are to be paid ${due}`)
    hash('bounty', line, [...domain(epoch), bytes(f['bounty']), word(BigInt(before) + BigInt(payout))])
  })
  ascends('bounty', of.bounty, ({ bounty }) => bounty ?? '', say)
  try {
    const state = await readRejections(rpcUrl, epoch.ledger, BigInt(block))
    const same = rejections === String(state.rejections) && rejectedAt === String(state.rejectedAt)
    say(
      'header',
      header,
      same,
      `says ${rejections} rejections, the last at ${rejectedAt}; the ledger says ${state.rejections}, at ${state.rejectedAt}`,
    )
    for (const line of of.bounty) {
      if (line.fields === null) continue
      const terms = await readBounty(rpcUrl, distributor, line.fields['bounty'] ?? '', BigInt(block))
      for (const [name, value] of Object.entries(terms)) {
        say(
          'bounty',
          line,
          line.fields[name] === value,
          `says ${name} ${line.fields[name]}, but at block ${block} it was ${value}`,
        )
      }
    }
    return []
  } catch (error) {
    return [
      `the bounties at block ${block} could not be compared with the chain: ${error instanceof Error ? error.message : String(error)} (ask a node that keeps old state)`,
    ]
  }
}

function checkBalances(check: Check, epoch: ChainEpoch, earned: Earned): void {
  const { of, each, say, hash, sum: total } = check
  const expected = expectedBalances(check, earned)
  each('balance', (f, line) => {
    const { pot = '', holder = '', before = '0', amount = '0' } = f
    const due = expected.get(pot + holder) ?? 0n
    expected.delete(pot + holder)
    say('balance', line, BigInt(amount) === due, `${holder} had ${before} and now ${amount}, but ${due} is right`)
    const fields = isClaimable(line)
      ? [bytes(pot), word(holder), word(amount)]
      : [tag('attune:balance'), bytes(pot), word(holder), word(before), word(amount)]
    hash('balance', line, [...domain(epoch), ...fields])
  })
  ascends('balance', of.balance, ({ pot, holder }) => `${pot}${holder}`, say)
  for (const [key, amount] of expected)
    total(`balance of ${key.slice(66)}`, amount === 0n, `${amount} of pot ${key.slice(0, 66)} is missing`)
  for (const { fields } of of.bounty) {
    if (fields === null) continue
    const before = of.balance.reduce(
      (all, line) => (line.fields?.['pot'] === fields['bounty'] ? all + BigInt(line.fields?.['before'] ?? 0) : all),
      0n,
    )
    total(
      `bounty ${fields['bounty']}`,
      before === BigInt(fields['before'] ?? 0),
      `was at ${fields['before']} before, its balances at ${before}`,
    )
  }
}

/** The epoch before ended where this one begins. */
function checkPrevious({ each, say, sum: total }: Check, previous: Lines): void {
  if (previous.header.fields === null) total('previous manifest', false, 'has no header')
  const left = new Map(
    previous.of.balance.flatMap(({ fields }) =>
      fields === null || fields['amount'] === '0'
        ? []
        : [[`${fields['pot']}${fields['holder']}`, fields['amount'] ?? '0']],
    ),
  )
  each('balance', ({ pot, holder, before }, line) => {
    const was = left.get(`${pot}${holder}`) ?? '0'
    left.delete(`${pot}${holder}`)
    say('balance', line, before === was, `says ${before} before, the epoch before ends with ${was}`)
  })
  for (const [key, amount] of left)
    total(`balance of ${key.slice(66)}`, false, `${amount} of the epoch before has gone`)
  const allocated = new Map(
    previous.of.bounty.flatMap(({ fields }) =>
      fields === null ? [] : [[fields['bounty'] ?? '', BigInt(fields['before'] ?? 0) + BigInt(fields['payout'] ?? 0)]],
    ),
  )
  each('bounty', ({ bounty = '', before }, line) => {
    const was = allocated.get(bounty) ?? 0n
    allocated.delete(bounty)
    say('bounty', line, before === String(was), `says ${before} before, the epoch before ends with ${was}`)
  })
  for (const bounty of allocated.keys()) total(`bounty ${bounty}`, false, 'was in the epoch before and has gone')
}

/** The leaf of a line that cannot be read: it leads to no right root. */
const UNREADABLE = `0x${'0'.repeat(64)}`

function checkSums({ of, sum: total }: Check, epoch: ChainEpoch): void {
  const leaves = (lines: readonly Line[]): Hex[] => lines.map(({ fields }) => (fields?.['leaf'] ?? UNREADABLE) as Hex)
  total(
    'contributions',
    of.contribution.length === epoch.count,
    `there are ${of.contribution.length}, the ledger counts ${epoch.count}`,
  )
  const contributions = [
    ...of.contribution,
    ...of.earning,
    ...of.move,
    ...of.balance.filter((line) => !isClaimable(line)),
    ...of.standing,
    ...of.pace,
  ]
  total(
    'contributions root',
    treeRoot(leaves(contributions)) === epoch.contributionsRoot,
    'the leaves lead to another root than the ledger holds',
  )
  const rewards = [...of.bounty, ...of.balance.filter(isClaimable)]
  total(
    'rewards root',
    treeRoot(leaves(rewards)) === epoch.rewardsRoot,
    'the leaves lead to another root than the ledger holds',
  )
}

const NEWLINE = 0x0a

/** Blames the header for a content hash other than the ledger's if everything else is as recorded. */
async function checkHash(
  { header, damaged, wrong, say, sum: total }: Check,
  epoch: ChainEpoch,
  manifest: Uint8Array,
  rpcUrl: string,
): Promise<void> {
  if (keccak256(manifest).startsWith(epoch.manifestHash)) return
  const hash = 'its hash is not the one that the ledger holds'
  const block = damaged.length === 0 ? await recordedBlock(header, epoch, manifest, rpcUrl) : null
  // Every other line fits its leaf and the roots: what remains is what only the header says.
  const onlyHeader = damaged.length + wrong.length === 0 && manifest.at(-1) === NEWLINE
  if (block !== null) say('header', header, false, `${hash}, but with block ${block}, of the same second, it would be`)
  else if (onlyHeader)
    say('header', header, false, `${hash}, and all lines below are what was recorded: the header is not`)
  else total('manifest', false, hash)
}

/**
 * The block of the same second with which the manifest has the hash that the ledger holds; null for none. Then the
 * bounties' state at the block that the manifest names proves nothing.
 */
async function recordedBlock(
  { fields }: Line,
  epoch: ChainEpoch,
  manifest: Uint8Array,
  rpcUrl: string,
): Promise<bigint | null> {
  if (fields === null) return null
  const named = BigInt(fields['block'] ?? 0)
  const end = manifest.indexOf(NEWLINE)
  const header = new TextDecoder().decode(manifest.subarray(0, end))
  for (const step of [-1n, 1n]) {
    for (let at = named + step; at >= 0n && String(await readTime(rpcUrl, at)) === fields['time']; at += step) {
      const other = new TextEncoder().encode(header.replace(`"block":"${named}"`, `"block":"${at}"`))
      if (keccak256(Buffer.concat([other, manifest.subarray(end)])).startsWith(epoch.manifestHash)) return at
    }
  }
  return null
}

function byLine(a: Finding, b: Finding): number {
  return a.line === b.line ? 0 : a.line - b.line
}

/** Whether a balance can be claimed: an account's, and not of points. */
function isClaimable({ fields }: Line): boolean {
  return fields?.['holder']?.length === 42 && !/^0x0+$/.test(fields['pot'] ?? '')
}

function sum(lines: readonly Line[], field: string): bigint {
  return lines.reduce((total, { fields }) => total + BigInt(fields?.[field] ?? 0), 0n)
}
