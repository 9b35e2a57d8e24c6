import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { distributorInterface } from '../../contracts/ledger/client/abi.ts'
import { canonicalJson } from '../../contracts/ledger/epoch/canonical.ts'
import type { BuiltEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import { bountyId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { type Manifest, readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { verifyEpoch } from '../../scripts/verify-epoch/verify.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, hashOfBytes } from '../helpers/hashes.ts'
import { ADMIN, STRANGER, type TestChain, startChain, timeOf } from '../helpers/chain.ts'
import { deployTestLedger, ledgerOf, payeeOf, sender, submit, testEpoch, testRecord } from '../helpers/ledger.ts'

let chain: TestChain
let contract: Address
let folder: string
const epochs: BuiltEpoch[] = []
const COUNT = 9
const scripts = new URL('../../scripts/verify-epoch/', import.meta.url)
const cli = new URL('../../scripts/cli/', import.meta.url)

// Two epochs, two sessions, one bounty that pays all and one that runs dry in the second; one payee links an account.
beforeAll(async () => {
  chain = await startChain()
  folder = await mkdtemp(join(tmpdir(), 'attune-verify-'))
  const deployment = await deployTestLedger(chain)
  const { chainId, distributor } = deployment
  contract = deployment.address
  const ledger = ledgerOf(chain, deployment, { distributor })
  const keys = []
  for (const [{ address, privateKey }, amount, perCredit] of [
    [STRANGER, 10_000n, 3n],
    [ADMIN, 601n, 1n],
  ] as const) {
    const key = { session: sessionKey('demo'), sponsor: address.toLowerCase() as Address, token: ZERO_ADDRESS }
    await sender(chain, { address: distributor, abi: distributorInterface }).send(
      privateKey,
      'fund',
      [key.session, ZERO_ADDRESS, amount, perCredit],
      amount,
    )
    keys.push({ ...key, bounty: bountyId(chainId, distributor, key.session, key.sponsor, ZERO_ADDRESS) })
  }
  let previous: Manifest | null = null
  for (const epochId of [1, 2]) {
    const records = Array.from({ length: COUNT }, (_, n) =>
      testRecord(epochId * 100 + n, {
        walletAddress: n % 2 ? `0x${String(n).repeat(40)}` : null,
        usedInStep: n % 4 ? n : null,
        contributorId: `person ${n}`,
        sessionId: n < 7 ? 'demo' : 'other',
        comparable: n === 3 && epochId === 1 ? 4 : n === 5 ? 9 : 10,
      }),
    )
    const account: Address = `0x${'9'.repeat(40)}`
    const links = epochId === 2 ? [{ payee: payeeOf('person 6'), account }] : []
    const epoch = testEpoch(ledger.ledger, records, {
      distributor,
      epochId,
      previous,
      links,
      market: await ledger.market(keys),
    })
    previous = readManifest(epoch.manifest)
    // The block that records an epoch is of the same second as the one that its payouts were read at.
    await chain.control.setNextBlockTimestamp({ timestamp: Number(await timeOf(chain)) })
    await submit(chain, ledger, epoch)
    epochs.push(epoch)
  }
})
afterAll(async () => {
  await chain.stop()
  await rm(folder, { recursive: true })
})

const textOf = (epochId: number): string => epochs[epochId - 1]?.manifest ?? ''
const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
const manifestOf = (epochId: number) => encode(textOf(epochId))
const check = (manifest: Uint8Array, more: { epochId?: number; previous?: Uint8Array } = {}) =>
  verifyEpoch({ epochId: 2, manifest, rpcUrl: chain.rpcUrl, contract, ...more })

describe('the independent verifier', () => {
  it('accepts what was recorded, of every kind of line', async () => {
    expect(await check(manifestOf(2), { previous: manifestOf(1) })).toMatchObject({
      ok: true,
      contributions: COUNT,
      bounties: 2,
      wrong: [],
      notes: [],
    })
    expect(await check(manifestOf(1), { epochId: 1 })).toMatchObject({ ok: true })
    const { moves, bounties, balances, standings, paces } = readManifest(textOf(2))
    expect(moves).toHaveLength(1)
    expect(standings.map(({ before, counted, held }) => [before, counted, held].join()).sort()).toEqual([
      '0,100,0',
      '0,100,0',
      '0,100,0',
      '0,100,0',
      '100,100,0',
      '100,100,200',
    ])
    expect(paces.some(({ before, worked }) => before !== '' && before !== worked)).toBe(true)
    expect(
      bounties.map(({ funded, before, payout }) => BigInt(funded) === BigInt(before) + BigInt(payout)).sort(),
    ).toEqual([false, true])
    expect(balances.length).toBeGreaterThan(COUNT)
  })

  it('shares no code with the builder', async () => {
    for (const file of await readdir(scripts)) {
      const source = await readFile(new URL(file, scripts), 'utf8')
      const imports = [...source.matchAll(/^(?:import|export) .*from '([^']+)'/gm)].map(([, from]) => from)
      expect(
        imports.filter((from) => !/^(node:|\.\/|\.\.\/cli\/|ethers$)/.test(from ?? '')),
        file,
      ).toEqual([])
    }
    // What reads its command line shares none either.
    for (const file of await readdir(cli)) {
      const source = await readFile(new URL(file, cli), 'utf8')
      const imports = [...source.matchAll(/^(?:import|export) .*from '([^']+)'/gm)].map(([, from]) => from)
      expect(
        imports.filter((from) => !/^(\.\/|commander$)/.test(from ?? '')),
        file,
      ).toEqual([])
    }
  })

  it('names the line of any single-byte change, first', async () => {
    const good = manifestOf(2)
    const lines = textOf(2).split('\n').slice(0, -1)
    const starts = lines.map((_, i) => lines.slice(0, i).join('\n').length + (i > 0 ? 1 : 0))
    await fc.assert(
      // A line first, then a byte of it or its newline: short lines are as often hit as long ones.
      fc.asyncProperty(
        fc.nat(lines.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (hit, offset, shift) => {
          const at = (starts[hit] ?? 0) + (offset % ((lines[hit]?.length ?? 0) + 1))
          const bad = good.slice()
          bad[at] = ((good[at] ?? 0) + shift) % 256
          const report = await check(bad)
          const line = starts.findLastIndex((start) => start <= at)
          expect(report.ok).toBe(false)
          // The last newline ends no leaf's line: only the content hash tells that it is gone.
          if (at < good.length - 1) expect(report.wrong[0]?.where).toContain(`(line ${line + 1})`)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('names the header, first, whichever of its characters is another', async () => {
    const [header = ''] = textOf(2).split('\n')
    const good = manifestOf(2)
    // Digits for digits: what is still a header is what a careless reader would pass over.
    const char = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code))
    const digit = fc.nat(9).map(String)
    const another = fc.tuple(
      ...[...header].map((was) => (/\d/.test(was) ? digit : char).filter((instead) => instead !== was)),
    )
    await fc.assert(
      fc.asyncProperty(another, fc.boolean(), async (instead, withPrevious) => {
        for (const [place, now] of instead.entries()) {
          const bad = good.slice()
          bad.set(encode(now), place)
          const { ok, wrong } = await check(bad, withPrevious ? { previous: manifestOf(1) } : {})
          const where = `${header.slice(0, place)}[${now}]`
          expect([ok, wrong[0]?.where], where).toEqual([false, 'header (line 1)'])
        }
      }),
      { numRuns: 1 },
    )
    // Any minute but its own, near or far.
    const { minute } = readManifest(textOf(2)).header
    const anyMinute = fc.oneof(
      fc.integer({ min: minute - 2_000, max: minute + 2_000 }),
      fc.nat(2 * minute),
      fc.constantFrom(0, minute - 1, minute + 1),
    )
    await fc.assert(
      fc.asyncProperty(
        anyMinute.filter((other) => other !== minute),
        fc.boolean(),
        async (other, withPrevious) => {
          const bad = encode(textOf(2).replace(`"minute":${minute},`, `"minute":${other},`))
          const { wrong } = await check(bad, withPrevious ? { previous: manifestOf(1) } : {})
          expect(wrong[0]?.where, `minute ${other} for ${minute}`).toBe('header (line 1)')
        },
      ),
    )
  })

  it('names the header where it says another block of the same second, which only the content hash tells', async () => {
    const { block } = readManifest(textOf(2)).header
    const later = textOf(2).replace(`"block":"${block}"`, `"block":"${Number(block) + 1}"`)
    expect((await check(encode(later))).wrong).toEqual([
      {
        line: 1,
        where: 'header (line 1)',
        problem: expect.stringContaining('its hash is not the one that the ledger holds'),
      },
    ])
  })

  it('finds what was changed together with its hash', async () => {
    const lines = textOf(2).split('\n')
    const other = testEpoch(
      { chainId: chain.chainId, ledger: contract },
      Array.from({ length: COUNT }, (_, n) => testRecord(900 + n)),
      { epochId: 2 },
    )
    const swapped = lines.with(3, other.manifest.split('\n')[3] ?? '')
    expect((await check(encode(swapped.join('\n')))).wrong.map(({ where }) => where)).toContain('contributions root')
  })

  it('finds a payout that is not what the bounty’s price and the credits make, though every hash fits', async () => {
    const { header, bounties } = readManifest(textOf(2))
    const forged = textOf(2)
      .split('\n')
      .map((line) => (line.includes('"perCredit":"3"') ? line.replace('"perCredit":"3"', '"perCredit":"2"') : line))
      .join('\n')
    const { wrong } = await check(encode(forged))
    const at =
      1 + header.count + header.earnings + header.moves + bounties.findIndex(({ perCredit }) => perCredit === '3') + 1
    expect(wrong[0]).toMatchObject({ line: at, problem: expect.stringMatching(/credits are to be paid/) })
    expect(wrong.map(({ problem }) => problem).join()).toMatch(/says perCredit 2, but at block \d+ it was 3/)
  })

  it('finds what is held, released or worked against the rules, though every hash fits', async () => {
    const { standings, paces } = readManifest(textOf(2))
    const swap = async (line: object, change: object) => {
      const text = canonicalJson(line as never)
      expect(textOf(2)).toContain(text)
      const report = await check(encode(textOf(2).replace(text, canonicalJson({ ...line, ...change }))), {
        previous: manifestOf(1),
      })
      return report.wrong.map(({ problem }) => problem).join('\n')
    }
    const held = standings.find((line) => line.held !== '0') ?? standings[0]
    const paid = standings.find((line) => line.before !== '0' && line.held === '0') ?? standings[0]
    const busy = paces.find((line) => line.before !== '') ?? paces[0]
    if (!held || !paid || !busy) throw new Error('the epoch says too little')
    expect(await swap(held, { held: '0' })).toContain('with 9 comparable votes it is to hold 200')
    expect(await swap(held, { comparable: 10 })).toContain('with 10 comparable votes it is to hold 0')
    expect(await swap(paid, { counted: '900' })).toContain('counts 900 credits of 1 answers')
    expect(await swap(paid, { before: '1000' })).toContain('says 1000 held before, the epoch before ends with 100')
    expect(await swap(paid, { seconds: 1 })).toMatch(/counts an answer for|s of work were added/)
    const minute = Number(busy.worked.split(':')[0])
    expect(await swap(busy, { worked: `${minute}:606` })).toContain(
      `works more than 600 s in the 10 minutes from ${minute - 9}`,
    )
    expect(await swap(busy, { before: '' })).toContain('says no work before, the epoch before ends with')
    expect(await swap(busy, { worked: `${minute}:1`, before: `${minute}:2` })).toContain(
      'has less in a minute than before',
    )
  })

  it('refuses the manifest of another epoch, a line too few and a line too many', async () => {
    const lines = textOf(2).split('\n')
    expect((await check(manifestOf(1))).ok).toBe(false)
    for (let at = 1; at < lines.length - 1; at++) {
      expect((await check(encode(lines.toSpliced(at, 1).join('\n')))).ok, `without line ${at + 1}`).toBe(false)
      expect((await check(encode(lines.toSpliced(at, 0, lines[at] ?? '').join('\n')))).ok, `line ${at + 1} twice`).toBe(
        false,
      )
    }
  })

  it('says so where an epoch does not go on from the one before', async () => {
    const { wrong } = await check(manifestOf(1), { epochId: 1, previous: manifestOf(2) })
    expect(wrong.map(({ problem }) => problem).join()).toMatch(/the epoch before ends with/)
  })

  it('ends with code 0 or 1 and one line that says what was wrong', async () => {
    const run = async (bytes: Uint8Array) => {
      const file = join(folder, `${hashOfBytes(bytes)}.jsonl`)
      await writeFile(file, bytes)
      const script = new URL('main.ts', scripts).pathname
      const args = [
        '--import',
        'tsx',
        script,
        '--epoch',
        '2',
        '--manifest',
        file,
        '--rpc',
        chain.rpcUrl,
        '--contract',
        contract,
      ]
      return promisify(execFile)(process.execPath, args).then(
        ({ stdout }) => ({ code: 0, stdout }),
        (error: { code: number; stdout: string }) => error,
      )
    }
    expect(await run(manifestOf(2))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^✓ epoch 2: 9 contributions/),
    })
    const bad = encode(textOf(2).replace('"index":5,', '"index":7,'))
    expect(await run(bad)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^✗ epoch 2: contribution 5 \(line 7\): has index 7/),
    })
  })
})
