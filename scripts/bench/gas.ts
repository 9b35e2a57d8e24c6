/**
 * What the chain costs: for an epoch, whatever its size; for a claim; and, for comparison, for
 * recording each vote singly, as the seed system does. On a private chain, with real transactions.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Interface, ZeroAddress, computeAddress, id, parseEther } from 'ethers'
import { distributorInterface, ledgerInterface, tokenInterface } from '../../contracts/ledger/client/abi.ts'
import { openLedger } from '../../contracts/ledger/client/chain.ts'
import { type BuiltEpoch, buildEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import { type ContributionRecord, bountyId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { type Manifest, readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { type Claim, rewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import type { BountyKey } from '../../contracts/ledger/epoch/ports.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { type Deployer, openDeployer, receiptOf } from '../deploy/deployer.ts'
import { deploySystem } from '../deploy/system.ts'
import { chainId, devKey, openChain } from '../start/chain.ts'
import { freePort } from '../start/ports.ts'
import { table } from '../study/table.ts'

export type GasBench = { epochs: readonly EpochGas[]; single: number; seconds: number }
/**
 * Gas. `claim…` are for somebody who claims from this epoch for the first time, and for the same person again later.
 */
export type EpochGas = {
  contributions: number
  accounts: number
  commit: number
  claimNative: number
  claimNativeAgain: number
  claimNativeRelayedToNew: number
  claimToken: number
  claimTokenAgain: number
  manifestBytes: number
  buildMs: number
}

export const GAS_SIZES = [100, 1_000, 10_000, 100_000] as const
const SESSION = 'bench'
/** Contributions of one rater in an epoch, about; and raters at most. */
const VOTES_EACH = 10
const MOST_RATERS = 2_000
const PRICE = 1_000n

export async function benchGas(say: (doing: string) => void): Promise<GasBench> {
  const dir = mkdtempSync(join(tmpdir(), 'attune-gas-'))
  const began = performance.now()
  const chain = await openChain({ dir, port: await freePort() })
  try {
    return { ...(await measureGas(chain.url, GAS_SIZES, say)), seconds: (performance.now() - began) / 1_000 }
  } finally {
    await chain.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Measures on a private chain whose first development account is rich. */
export async function measureGas(
  rpcUrl: string,
  sizes: readonly number[],
  say: (doing: string) => void,
): Promise<Omit<GasBench, 'seconds'>> {
  const world = await openWorld(rpcUrl)
  const epochs: EpochGas[] = []
  let previous: Manifest | null = null
  for (const [i, size] of sizes.entries()) {
    say(`an epoch of ${size} contributions`)
    const began = performance.now()
    const built = await world.build(i + 1, size, previous)
    const buildMs = performance.now() - began
    previous = readManifest(built.manifest)
    epochs.push({ contributions: size, ...(await world.spend(built)), manifestBytes: built.manifest.length, buildMs })
  }
  say('single votes')
  return { epochs, single: await world.single() }
}

async function openWorld(rpcUrl: string) {
  const { contracts } = await deploySystem({
    rpcUrl,
    privateKey: devKey,
    tokenCap: parseEther('1000000000'),
    salt: id('bench') as Hex,
  })
  const own = await openDeployer(rpcUrl, devKey)
  const { provider, address } = own
  const [distributor, token] = [contracts.distributor.address, contracts.token?.address ?? (ZeroAddress as Address)]
  const ledger = openLedger({ rpcUrl, address: contracts.ledger.address, distributor, chainId, privateKey: devKey })
  const mined = async (txHash: Hex): Promise<number> => {
    const { status, gasUsed } = await receiptOf(provider, txHash, { pollMs: 20 })
    if (status !== 1) throw new Error(`transaction ${txHash} failed`)
    return Number(gasUsed)
  }
  const send = async ({ to, abi, name, args, value }: Send, from: Deployer = own): Promise<number> => {
    const data = abi.encodeFunctionData(name, args) as Hex
    return mined(await from.send({ to, data, ...(value !== undefined && { value }) }))
  }
  const pot = parseEther('1000')
  await send({ to: token, abi: tokenInterface, name: 'mint', args: [address, pot] })
  await send({ to: token, abi: tokenInterface, name: 'approve', args: [distributor, pot] })
  const keys: BountyKey[] = []
  for (const coin of [ZeroAddress as Address, token]) {
    const session = sessionKey(SESSION)
    const value = coin === ZeroAddress ? pot : 0n
    await send({ to: distributor, abi: distributorInterface, name: 'fund', args: [session, coin, pot, PRICE], value })
    const sponsor = address.toLowerCase() as Address
    keys.push({ session, sponsor, token: coin, bounty: bountyId(chainId, distributor, session, sponsor, coin) })
  }
  const claim = ({ epochId, bounty, account, amount, proof }: Claim, from = own): Promise<number> =>
    send(
      {
        to: distributor,
        abi: distributorInterface,
        name: 'claim',
        args: [BigInt(epochId), bounty, account, amount, proof],
      },
      from,
    )

  return {
    async build(epochId: number, size: number, previous: Manifest | null): Promise<BuiltEpoch> {
      const records = Array.from({ length: size }, (_, n) => voteOf(epochId, n, raterCount(size)))
      return buildEpoch({
        ledger: ledger.ledger,
        distributor,
        epochId,
        rejections: 0,
        records,
        previous,
        links: [],
        market: await ledger.market(keys),
      })
    },

    async spend(epoch: BuiltEpoch) {
      const { raw, txHash } = await ledger.sign(epoch, 0)
      await ledger.send(raw)
      const commit = await mined(txHash)
      const book = rewardBook(epoch.manifest)
      // Raters that have claimed in no earlier epoch of this run; the first of them claims alone, as people do.
      const [self, relayed] = [0, 1].map((n) => raterOf(n + 2 * epoch.epochId))
      if (self === undefined || relayed === undefined) throw new Error('no raters')
      const person = await openDeployer(rpcUrl, self.key)
      await mined(await own.send({ to: self.account, data: '0x', value: parseEther('1') }))
      const claims = book.claimsOf(self.account)
      const [native, coin] = keys.map(({ bounty }) => claims.find((candidate) => candidate.bounty === bounty))
      const [other] = book.claimsOf(relayed.account).filter(({ bounty }) => bounty === keys[0]?.bounty)
      if (native === undefined || coin === undefined || other === undefined) throw new Error('nothing was earned')
      return {
        accounts: raterCount(epoch.count),
        commit,
        claimNative: await claim(native, person),
        claimToken: await claim(coin, person),
        claimNativeRelayedToNew: await claim(other),
        ...(await this.again(epoch, self)),
      }
    },

    /** What the same person's next claims cost, on a copy of the chain's state that is thrown away. */
    async again(epoch: BuiltEpoch, rater: Rater): Promise<{ claimNativeAgain: number; claimTokenAgain: number }> {
      const snapshot = await provider.send('evm_snapshot', [])
      const next = await this.build(epoch.epochId + 1, GAS_SIZES[0], readManifest(epoch.manifest))
      const { raw, txHash } = await ledger.sign(next, 0)
      await ledger.send(raw)
      await mined(txHash)
      const claims = rewardBook(next.manifest).claimsOf(rater.account)
      const person = await openDeployer(rpcUrl, rater.key)
      const [native = 0, coin = 0] = await keys.reduce<Promise<number[]>>(async (done, { bounty }) => {
        const gas = await done
        const found = claims.find((candidate) => candidate.bounty === bounty)
        return found === undefined ? gas : [...gas, await claim(found, person)]
      }, Promise.resolve([]))
      await provider.send('evm_revert', [snapshot])
      return { claimNativeAgain: native, claimTokenAgain: coin }
    },

    /** Gas of one vote in the seed's way, the mean of ten by people already known to the ledger. */
    async single(): Promise<number> {
      const record = (n: number) =>
        send({
          to: contracts.ledger.address,
          abi: ledgerInterface,
          name: 'recordFeedback',
          args: [SESSION, uuid(n), uuid(1_000_000 + (n % 2)), BigInt((n % 10) + 1), 9_000n],
        })
      await record(0)
      await record(1)
      let total = 0
      for (let n = 2; n < 12; n++) total += await record(n)
      return Math.round(total / 10)
    },
  }
}

type Send = { to: Address; abi: Interface; name: string; args: readonly unknown[]; value?: bigint }
type Rater = { key: Hex; account: Address }

function raterOf(n: number): Rater {
  const key = id(`rater ${n}`) as Hex
  return { key, account: computeAddress(key).toLowerCase() as Address }
}

function raterCount(size: number): number {
  return Math.min(MOST_RATERS, Math.ceil(size / VOTES_EACH))
}

const raters = new Map<number, Rater>()

function voteOf(epochId: number, n: number, count: number): ContributionRecord {
  const who = n % count
  const rater = raters.get(who) ?? raterOf(who)
  raters.set(who, rater)
  return {
    recordId: uuid(epochId * 1_000_000 + n),
    contributorId: uuid(who),
    walletAddress: rater.account,
    payee: id(`payee ${who}`) as Hex,
    sessionId: SESSION,
    kind: 'feedback',
    payload: {
      humanRating: (n % 10) + 1,
      value: 0.8436,
      produced: true,
      late: false,
      weight: 0.5,
      reliability: 0.6,
      updated: true,
    },
    usedInStep: n,
    // An hour for each epoch, so that everybody's votes fit.
    at: epochId * 3_600 + Math.floor((n / count) * 6),
    secondsPerAnswer: 6,
    comparable: 10,
    salt: id(`salt ${epochId} ${n}`) as Hex,
  }
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
}

export function gasText({ epochs, single, seconds }: GasBench): string {
  const whole = (value: number) => Math.round(value).toLocaleString('en-US').replaceAll(',', ' ')
  return [
    table(
      ['contributions', 'accounts', 'commit, gas', 'gas each', 'each singly', 'times', 'manifest, kB', 'build, ms'],
      epochs.map((epoch) => [
        whole(epoch.contributions),
        whole(epoch.accounts),
        whole(epoch.commit),
        (epoch.commit / epoch.contributions).toFixed(1),
        whole(single),
        whole((single * epoch.contributions) / epoch.commit),
        whole(epoch.manifestBytes / 1_000),
        whole(epoch.buildMs),
      ]),
    ),
    '',
    table(
      ['a claim, gas', ...epochs.map(({ accounts }) => `of ${whole(accounts)} accounts`)],
      [
        ['own coin, the first from a bounty', ...epochs.map(({ claimNative }) => whole(claimNative))],
        ['own coin, later', ...epochs.map(({ claimNativeAgain }) => whole(claimNativeAgain))],
        [
          'own coin, by a relayer to an account the chain has never seen',
          ...epochs.map((epoch) => whole(epoch.claimNativeRelayedToNew)),
        ],
        ['ERC-20, the first, to who holds none', ...epochs.map(({ claimToken }) => whole(claimToken))],
        ['ERC-20, later', ...epochs.map(({ claimTokenAgain }) => whole(claimTokenAgain))],
      ],
    ),
    '',
    ...FLOORS,
    '',
    `measured in ${seconds.toFixed(0)} s on a private chain`,
  ].join('\n')
}

/** Why two of the rows are above 80,000, by the prices of EIP-2929, 2200 and 161. */
const FLOORS = [
  'A first claim in an ERC-20, by any code: 21 000 for the transaction, 22 100 each for what the account was paid and',
  'for its new balance, 5 000 each for the pot and the token’s own balance, 9 400 to ask the ledger and find the token,',
  '3 500 for two events: 88 100, and 512 of calldata for each doubling of the tree. A claim for an account that the',
  'chain has never seen pays 25 000 for the account, and 2 600 to look for it.',
]
