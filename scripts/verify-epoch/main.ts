// npm run verify -- --epoch N --rpc URL --contract ADDRESS (--manifest FILE | --api URL) [--previous FILE]
//
// Checks a recorded epoch against its manifest, from contracts/FORMAT.md alone:
// of Attune's own code it uses none. Exit code 0: everything holds; 1: something
// does not, or could not be looked at. The first thing wrong is named.

import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { verifyEpoch } from './verify.ts'

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { epoch: text, manifest: text, previous: text, api: text, rpc: text, contract: text },
  })
  const { epoch = '', rpc: rpcUrl, contract = '' } = values
  if (!/^[1-9]\d{0,14}$/.test(epoch) || rpcUrl === undefined || !/^0x[0-9a-fA-F]{40}$/.test(contract)) {
    throw new Error(
      'usage: npm run verify -- --epoch N --rpc URL --contract ADDRESS (--manifest FILE | --api URL) [--previous FILE]',
    )
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

async function bytesOf(file: string | undefined, api: string | undefined, epoch: string): Promise<Uint8Array> {
  if (file !== undefined) return readFile(file)
  if (api === undefined) throw new Error('give --manifest FILE, or --api URL of an Attune server')
  const answer = await fetch(new URL(`/api/blockchain/epochs/${epoch}/manifest`, api))
  if (!answer.ok) throw new Error(`the server has no manifest for epoch ${epoch} (${answer.status})`)
  return new Uint8Array(await answer.arrayBuffer())
}

main().catch((error: unknown) => {
  console.error(`✗ ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
