// npm run verify -- --epoch N --rpc URL --contract ADDRESS (--manifest FILE | --api URL) [--previous FILE]
//
// Checks a recorded epoch against its manifest, from contracts/FORMAT.md alone:
// of Attune's own code it uses none. Exit code 0: everything holds; 1: something
// does not, or could not be looked at. The first thing wrong is named.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keccak256 } from 'viem/utils'

type Hex = `0x${string}`

/**
 * Recomputes every leaf, both roots, the sums and the content hash of an
 * epoch's manifest, and compares them with the contract.
 *
 * @param previous the manifest of the epoch before; with it, that no account's points fell
 * @throws Error where the chain does not answer or has no such ledger or epoch
 */
export async function verifyEpoch(question: Question): Promise<Report> {
  const { epochId, manifest, previous } = question
  const at = await readChain(question)
  const lines = splitLines(manifest)
  const wrong: Finding[] = []
  const header = checkHeader(lines[0] ?? '', at, wrong)
  const contributions = lines.slice(1, 1 + at.count).map((text, i) => checkContribution(text, i, at, wrong))
  const accounts = lines.slice(1 + at.count).map((text, i) => checkAccount(text, i, at, wrong))
  if (contributions.length < at.count) {
    wrong.push({ where: `contribution ${contributions.length}`, problem: `is missing: the ledger counts ${at.count}` })
  }
  checkOrder(accounts, wrong)
  const say = (where: string, ok: boolean, problem: string) => {
    if (!ok) wrong.push({ where, problem })
  }
  say('contributions root', treeRoot(contributions.map(({ leaf }) => leaf)) === at.contributionsRoot, 'the leaves lead to another root than the ledger holds')
  say('rewards root', treeRoot(accounts.map(({ leaf }) => leaf)) === at.rewardsRoot, 'the accounts lead to another root than the ledger holds')
  const credits = sum(contributions.map(({ amount }) => amount))
  const points = sum(accounts.map(({ amount }) => amount))
  if (header !== null) {
    say(HEADER_LINE, header.accounts === accounts.length, `says ${header.accounts} accounts, there are ${accounts.length}`)
    say(HEADER_LINE, header.credits === credits, `says ${header.credits} credits, the contributions have ${credits}`)
    say(HEADER_LINE, header.pointsBefore + credits === points + header.unlinked, 'points before and credits do not add up to the points after')
  }
  if (previous !== undefined) checkPrevious(previous, header, accounts, wrong)
  say('manifest', keccak256(manifest).startsWith(at.manifestHash), 'its hash is not the one that the ledger holds')
  return { ok: wrong.length === 0, epochId, contributions: at.count, accounts: accounts.length, credits, finalAt: at.finalAt, wrong }
}

export type Question = {
  epochId: number
  manifest: Uint8Array
  rpcUrl: string
  contract: string
  previous?: Uint8Array
}
/** `wrong` in the order of the manifest's lines, then what they add up to. */
export type Report = {
  ok: boolean
  epochId: number
  contributions: number
  accounts: number
  credits: bigint
  /** Seconds since 1970. */
  finalAt: number
  wrong: readonly Finding[]
}
export type Finding = { where: string; problem: string }

// ------------------------------------------------------------------ the lines

type Line = { key: string; amount: bigint; leaf: Hex }
type Chain = { chainId: bigint; contract: string; epochId: number; contributionsRoot: Hex; rewardsRoot: Hex; manifestHash: string; count: number; finalAt: number }

const HEADER_LINE = 'header (line 1)'
const HASH = '0x[0-9a-f]{64}'
const AMOUNT = '0|[1-9][0-9]{0,77}'
const CONTRIBUTION = new RegExp(
  `^\\{"contributor":"(${HASH})","credit":"(${AMOUNT})","index":(${AMOUNT}),"kind":([0-4]),"leaf":"(${HASH})","recordHash":"(${HASH})","session":"(${HASH})"\\}$`,
)
const ACCOUNT = new RegExp(`^\\{"account":"(0x[0-9a-f]{40})","leaf":"(${HASH})","points":"(${AMOUNT})"\\}$`)
const HEADER = new RegExp(
  `^\\{"accounts":(${AMOUNT}),"chainId":"(${AMOUNT})","contributionsRoot":"(${HASH})","count":(${AMOUNT}),"credits":"(${AMOUNT})","epochId":"(${AMOUNT})","format":"attune-epoch-2","ledger":"(0x[0-9a-f]{40})","pointsBefore":"(${AMOUNT})","rewardsRoot":"(${HASH})","unlinked":"(${AMOUNT})"\\}$`,
)

/** A line that cannot be read hashes to this, so that the root is wrong as well. */
const UNREADABLE: Line = { key: '', amount: 0n, leaf: `0x${'0'.repeat(64)}` }

function checkContribution(text: string, index: number, at: Chain, wrong: Finding[]): Line {
  const where = `contribution ${index} (line ${index + 2})`
  const parts = CONTRIBUTION.exec(text)
  if (parts === null) {
    wrong.push({ where, problem: 'is not a contribution line' })
    return UNREADABLE
  }
  const [, contributor = '', credit = '', given = '', kind = '', listed, recordHash = '', session = ''] = parts
  const leaf = doubleHash([...domain(at), word(index), session.slice(2), contributor.slice(2), word(kind), word(credit), recordHash.slice(2)])
  if (given !== String(index)) wrong.push({ where, problem: `has index ${given}` })
  else if (leaf !== listed) wrong.push({ where, problem: `its fields hash to ${leaf}, not to its leaf ${listed}` })
  else if (kind === '1' && credit !== '100' && credit !== '50') wrong.push({ where, problem: `a vote earns 100 or 50 credits, not ${credit}` })
  return { key: String(index), amount: BigInt(credit), leaf }
}

function checkAccount(text: string, index: number, at: Chain, wrong: Finding[]): Line {
  const where = `account ${index} (line ${at.count + index + 2})`
  const parts = ACCOUNT.exec(text)
  if (parts === null) {
    wrong.push({ where, problem: 'is not an account line' })
    return UNREADABLE
  }
  const [, account = '', listed, points = ''] = parts
  const leaf = doubleHash([...domain(at), word(0), word(account), word(points)])
  if (leaf !== listed) wrong.push({ where, problem: `${account}: its fields hash to ${leaf}, not to its leaf ${listed}` })
  return { key: account, amount: BigInt(points), leaf }
}

function checkOrder(accounts: readonly Line[], wrong: Finding[]): void {
  const out = accounts.findIndex(({ key }, i) => key <= (accounts[i - 1]?.key ?? ''))
  if (out >= 0) wrong.push({ where: `account ${out}`, problem: 'is not above the one before it' })
}

type Header = { accounts: number; pointsBefore: bigint; credits: bigint; unlinked: bigint }

function checkHeader(text: string, at: Chain, wrong: Finding[]): Header | null {
  const parts = HEADER.exec(text)
  if (parts === null) {
    wrong.push({ where: HEADER_LINE, problem: 'is not a header of format attune-epoch-2' })
    return null
  }
  const [, accounts, chainId, contributionsRoot, count, credits = '', epochId, ledger, pointsBefore = '', rewardsRoot, unlinked = ''] = parts
  const claims = { chainId, contributionsRoot, count, epochId, ledger, rewardsRoot }
  const facts = {
    chainId: String(at.chainId),
    contributionsRoot: at.contributionsRoot,
    count: String(at.count),
    epochId: String(at.epochId),
    ledger: at.contract,
    rewardsRoot: at.rewardsRoot,
  }
  for (const key of Object.keys(facts) as (keyof typeof facts)[]) {
    if (claims[key] !== facts[key]) wrong.push({ where: HEADER_LINE, problem: `says ${key} ${claims[key]}, but it is ${facts[key]}` })
  }
  return { accounts: Number(accounts), pointsBefore: BigInt(pointsBefore), credits: BigInt(credits), unlinked: BigInt(unlinked) }
}

function checkPrevious(previous: Uint8Array, header: Header | null, accounts: readonly Line[], wrong: Finding[]): void {
  const lines = splitLines(previous)
  const before = HEADER.exec(lines[0] ?? '')
  if (before === null) {
    wrong.push({ where: 'previous manifest', problem: 'has no header' })
    return
  }
  const now = new Map(accounts.map(({ key, amount }) => [key, amount]))
  let total = BigInt(before[10] ?? '0')
  for (const text of lines.slice(1 + Number(before[4]))) {
    const [, account = '', , points = '0'] = ACCOUNT.exec(text) ?? []
    total += BigInt(points)
    if ((now.get(account) ?? 0n) < BigInt(points)) wrong.push({ where: `account ${account}`, problem: `had ${points} points in the epoch before` })
  }
  if (header !== null && header.pointsBefore !== total) {
    wrong.push({ where: HEADER_LINE, problem: `says ${header.pointsBefore} points before, the epoch before ends with ${total}` })
  }
}

/** Lines without their newlines. Bytes that are not UTF-8 become U+FFFD, which no line may hold. */
function splitLines(bytes: Uint8Array): string[] {
  const lines = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).split('\n')
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

// ------------------------------------------------------------- hashes and tree

function domain({ chainId, contract, epochId }: Chain): string[] {
  return [word(chainId), word(contract), word(epochId)]
}

/** 32 bytes, big-endian, as hex without 0x. */
function word(value: bigint | number | string): string {
  return BigInt(value).toString(16).padStart(64, '0')
}

function doubleHash(words: readonly string[]): Hex {
  return keccak256(keccak256(`0x${words.join('')}`))
}

function treeRoot(leaves: readonly Hex[]): Hex {
  if (leaves.length === 0) return `0x${'0'.repeat(64)}`
  const nodes: Hex[] = [...leaves.slice(1), ...leaves].fill('0x')
  const last = nodes.length - 1
  ;[...leaves].sort().forEach((leaf, i) => (nodes[last - i] = leaf))
  for (let i = leaves.length - 2; i >= 0; i--) {
    const [low = '', high = ''] = [nodes[2 * i + 1], nodes[2 * i + 2]].sort()
    nodes[i] = keccak256(`0x${low.slice(2)}${high.slice(2)}`)
  }
  return nodes[0] ?? '0x'
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}

// ------------------------------------------------------------------- the chain

async function readChain({ rpcUrl, contract, epochId }: Question): Promise<Chain> {
  const chainId = BigInt(await rpc(rpcUrl, 'eth_chainId', []))
  const selector = keccak256(new TextEncoder().encode('epochs(uint256)')).slice(0, 10)
  const data = await rpc(rpcUrl, 'eth_call', [{ to: contract, data: selector + word(epochId) }, 'latest'])
  const words = data.slice(2).match(/.{64}/g) ?? []
  const [contributionsRoot, rewardsRoot, manifestHash, count, , finalAt] = words
  if (words.length !== 6) throw new Error(`there is no ledger at ${contract} on chain ${chainId}`)
  if (BigInt(`0x${count}`) === 0n) throw new Error(`the ledger at ${contract} has no epoch ${epochId}`)
  return {
    chainId,
    contract: contract.toLowerCase(),
    epochId,
    contributionsRoot: `0x${contributionsRoot}`,
    rewardsRoot: `0x${rewardsRoot}`,
    manifestHash: `0x${manifestHash}`.slice(0, 42),
    count: Number(`0x${count}`),
    finalAt: Number(`0x${finalAt}`),
  }
}

async function rpc(url: string, method: string, params: readonly unknown[]): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const body = (await answer.json()) as { result?: unknown; error?: { message?: string } }
  if (typeof body.result !== 'string') throw new Error(`the node refused ${method}: ${body.error?.message ?? answer.status}`)
  return body.result
}

// ---------------------------------------------------------------- command line

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { epoch: text, manifest: text, previous: text, api: text, rpc: text, contract: text } })
  const { epoch = '', rpc: rpcUrl, contract = '' } = values
  if (!/^[1-9]\d{0,14}$/.test(epoch) || rpcUrl === undefined || !/^0x[0-9a-fA-F]{40}$/.test(contract)) {
    throw new Error('usage: npm run verify -- --epoch N --rpc URL --contract ADDRESS (--manifest FILE | --api URL) [--previous FILE]')
  }
  const manifest = await bytesOf(values.manifest, values.api, epoch)
  const previous = values.previous === undefined ? {} : { previous: await readFile(values.previous) }
  const report = await verifyEpoch({ epochId: Number(epoch), manifest, rpcUrl, contract, ...previous })
  const [first, ...more] = report.wrong
  if (first !== undefined) {
    console.log(`✗ epoch ${epoch}: ${first.where}: ${first.problem}`)
    for (const { where, problem } of more.slice(0, 20)) console.log(`  also ${where}: ${problem}`)
    if (more.length > 20) console.log(`  and ${more.length - 20} more`)
    process.exitCode = 1
    return
  }
  const final = report.finalAt * 1_000 <= Date.now() ? 'final' : `open to dispute until ${new Date(report.finalAt * 1_000).toISOString()}`
  console.log(`✓ epoch ${epoch}: ${report.contributions} contributions, ${report.credits} credits, ${report.accounts} accounts; leaves, roots, sums and manifest hash are those of the ledger; ${final}`)
}

async function bytesOf(file: string | undefined, api: string | undefined, epoch: string): Promise<Uint8Array> {
  if (file !== undefined) return readFile(file)
  if (api === undefined) throw new Error('give --manifest FILE, or --api URL of an Attune server')
  const answer = await fetch(new URL(`/api/blockchain/epochs/${epoch}/manifest`, api))
  if (!answer.ok) throw new Error(`the server has no manifest for epoch ${epoch} (${answer.status})`)
  return new Uint8Array(await answer.arrayBuffer())
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(`✗ ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
}
