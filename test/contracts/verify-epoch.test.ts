import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { keccak256 } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NO_BALANCES } from '../../contracts/balances.ts'
import { type BuiltEpoch, buildEpoch } from '../../contracts/epoch.ts'
import { verifyEpoch } from '../../scripts/verify-epoch.ts'
import { type TestChain, startChain } from '../helpers/chain.ts'
import { deployTestLedger, ledgerOf, testRecord } from '../helpers/ledger.ts'

let chain: TestChain
let contract: string
let folder: string
const epochs: BuiltEpoch[] = []
const COUNT = 9

beforeAll(async () => {
  chain = await startChain()
  folder = await mkdtemp(join(tmpdir(), 'attune-verify-'))
  const deployment = await deployTestLedger(chain)
  contract = deployment.address
  const ledger = ledgerOf(chain, deployment)
  let balances = NO_BALANCES
  for (const epochId of [1, 2]) {
    const records = Array.from({ length: COUNT }, (_, n) =>
      testRecord(epochId * 100 + n, { walletAddress: n % 2 ? `0x${String(n).repeat(40)}` : null, usedInStep: n % 4 ? n : null }),
    )
    const epoch = buildEpoch({ ledger: ledger.ledger, epochId, rejections: 0, records, balances, links: [] })
    balances = epoch.balances
    await chain.client.waitForTransactionReceipt({ hash: await ledger.submit(epoch) })
    epochs.push(epoch)
  }
})
afterAll(async () => {
  await chain.stop()
  await rm(folder, { recursive: true })
})

const manifestOf = (epochId: number): Uint8Array<ArrayBuffer> => new TextEncoder().encode(epochs[epochId - 1]?.manifest)
const check = (manifest: Uint8Array, more: { epochId?: number; previous?: Uint8Array } = {}) =>
  verifyEpoch({ epochId: 2, manifest, rpcUrl: chain.rpcUrl, contract, ...more })

describe('the independent verifier', () => {
  it('accepts what was recorded', async () => {
    expect(await check(manifestOf(2), { previous: manifestOf(1) })).toMatchObject({ ok: true, contributions: COUNT, wrong: [] })
    expect(await check(manifestOf(1), { epochId: 1 })).toMatchObject({ ok: true })
  })

  it('shares no code with the builder', async () => {
    const { readFile } = await import('node:fs/promises')
    const source = await readFile(new URL('../../scripts/verify-epoch.ts', import.meta.url), 'utf8')
    const imports = [...source.matchAll(/^import .*from '([^']+)'/gm)].map(([, from]) => from)
    expect(imports.filter((from) => !from?.startsWith('node:'))).toEqual(['viem/utils'])
  })

  it('names the line of any single-byte change, first', async () => {
    const good = manifestOf(2)
    const lines = new TextDecoder().decode(good).split('\n').slice(0, -1)
    const starts = lines.map((_, i) => lines.slice(0, i).join('\n').length + (i > 0 ? 1 : 0))
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, shift) => {
        const bad = good.slice()
        bad[at] = ((good[at] ?? 0) + shift) % 256
        const report = await check(bad)
        const line = starts.findLastIndex((start) => start <= at)
        expect(report.ok).toBe(false)
        // The last newline ends no leaf's line: only the content hash tells that it is gone.
        if (at < good.length - 1) expect(report.wrong[0]?.where).toContain(`(line ${line + 1})`)
      }),
      { numRuns: 400 },
    )
  })

  it('finds a leaf that was replaced together with its hash', async () => {
    const text = epochs[1]?.manifest ?? ''
    const other = buildEpoch({
      ledger: { chainId: chain.chainId, ledger: contract as `0x${string}` },
      epochId: 2,
      rejections: 0,
      records: Array.from({ length: COUNT }, (_, n) => testRecord(900 + n)),
      balances: NO_BALANCES,
      links: [],
    }).manifest
    const swapped = text.split('\n').map((line, i) => (i === 3 ? other.split('\n')[3] : line)).join('\n')
    const report = await check(new TextEncoder().encode(swapped))
    expect(report.wrong.map(({ where }) => where)).toContain('contributions root')
  })

  it('refuses the manifest of another epoch, a line too few and a line too many', async () => {
    const lines = (epochs[1]?.manifest ?? '').split('\n')
    const encode = (of: string[]) => new TextEncoder().encode(of.join('\n'))
    expect((await check(manifestOf(1))).ok).toBe(false)
    expect((await check(encode(lines.toSpliced(4, 1)))).ok).toBe(false)
    expect((await check(encode(lines.toSpliced(4, 0, lines[4] ?? '')))).ok).toBe(false)
    expect((await check(encode(lines.toSpliced(-1, 0, lines.at(-2) ?? '')))).ok).toBe(false)
  })

  it('says so where an account’s points fell since the epoch before', async () => {
    const { wrong } = await check(manifestOf(1), { epochId: 1, previous: manifestOf(2) })
    expect(wrong.map(({ problem }) => problem).join()).toMatch(/points in the epoch before/)
  })

  it('ends with code 0 or 1 and one line that says what was wrong', async () => {
    const run = async (bytes: Uint8Array) => {
      const file = join(folder, `${keccak256(bytes)}.jsonl`)
      await writeFile(file, bytes)
      const script = new URL('../../scripts/verify-epoch.ts', import.meta.url).pathname
      const args = ['--import', 'tsx', script, '--epoch', '2', '--manifest', file, '--rpc', chain.rpcUrl, '--contract', contract]
      return promisify(execFile)(process.execPath, args).then(
        ({ stdout }) => ({ code: 0, stdout }),
        (error: { code: number; stdout: string }) => error,
      )
    }
    expect(await run(manifestOf(2))).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ epoch 2: 9 contributions/) })
    const bad = new TextEncoder().encode((epochs[1]?.manifest ?? '').replace('"index":5,', '"index":7,'))
    expect(await run(bad)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^✗ epoch 2: contribution 5 \(line 7\): has index 7/) })
  })
})
