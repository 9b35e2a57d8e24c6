// npm run verify -- --epoch N --rpc URL --contract ADDRESS (--manifest FILE | --api URL) [--previous FILE]
//
// Checks a recorded epoch against its manifest, from contracts/FORMAT.md alone: of Attune's own code it uses only what
// reads the command line.

import { readFile } from 'node:fs/promises'
import { command, main } from '../cli/command.ts'
import { Misuse, parsed, text, whole } from '../cli/options.ts'
import { verifyEpoch } from './verify.ts'

const verify = command({
  name: 'npm run verify --',
  summary: 'checks an epoch against the chain, with code that shares nothing with the builder',
  detail:
    'Recomputes every leaf, root and payout from the manifest. Exit code 0: everything holds; 1: something does not, or could not be looked at, and the first thing wrong is named.',
  options: {
    epoch: whole('N', 'the epoch', { least: 1, most: 999_999_999_999_999 }),
    rpc: text('URL', 'a node of the chain'),
    contract: parsed('ADDRESS', 'of the ledger', addressOf),
    manifest: text('FILE', 'the epoch’s manifest; this or --api').optional(),
    api: text('URL', 'an Attune server that has the manifest').optional(),
    previous: text('FILE', 'the manifest of the epoch before, to check that this one goes on from it').optional(),
  },
  run: check,
})

interface Asked {
  epoch: number
  rpc: string
  contract: string
  manifest?: string
  api?: string
  previous?: string
}

async function check({ epoch, rpc: rpcUrl, contract, ...options }: Asked): Promise<void> {
  const manifest = await bytesOf(options.manifest, options.api, epoch)
  const previous = options.previous === undefined ? {} : { previous: await readFile(options.previous) }
  const report = await verifyEpoch({ epochId: epoch, manifest, rpcUrl, contract, ...previous })
  const [first, ...more] = report.wrong
  if (first !== undefined) {
    console.log(`✗ epoch ${epoch}: ${first.where}: ${first.problem}`)
    for (const { where, problem } of more.slice(0, 20)) console.log(`  also ${where}: ${problem}`)
    if (more.length > 20) console.log(`  and ${more.length - 20} more`)
    process.exitCode = 1
    return
  }
  const final =
    report.finalAt * 1_000 <= Date.now()
      ? 'final'
      : `open to dispute until ${new Date(report.finalAt * 1_000).toISOString()}`
  console.log(
    `✓ epoch ${epoch}: ${report.contributions} contributions, ${report.credits} credits, ${report.bounties} bounties, ${report.balances} balances; leaves, roots, payouts and manifest hash are those of the ledger; ${final}`,
  )
  for (const note of report.notes) console.log(`  but ${note}`)
  if (report.notes.length > 0) process.exitCode = 1
}

async function bytesOf(file: string | undefined, api: string | undefined, epoch: number): Promise<Uint8Array> {
  if (file !== undefined) return readFile(file)
  if (api === undefined) throw new Misuse('verify needs --manifest or --api')
  const answer = await fetch(new URL(`/api/blockchain/epochs/${epoch}/manifest`, api))
  if (!answer.ok) throw new Error(`the server has no manifest for epoch ${epoch} (${answer.status})`)
  return new Uint8Array(await answer.arrayBuffer())
}

function addressOf(given: string, name: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(given))
    throw new Misuse(`${name} is 0x and 40 hex digits, not ${JSON.stringify(given)}`)
  return given
}

await main(verify, (error) => console.error(`✗ ${error instanceof Error ? error.message : String(error)}`))
