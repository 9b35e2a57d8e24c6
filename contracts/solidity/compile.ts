import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { JsonFragment } from 'ethers'
import { z } from 'zod'
import type { Hex } from '../ledger/hex.ts'

/**
 * The compiled contract: its ABI, creation code and runtime code.
 *
 * Compiled by solc-js with the sources of `contracts/` and OpenZeppelin's from
 * node_modules; cached in `contracts/build/` under a hash of all sources and
 * settings, so that a second call only costs reading a few files.
 *
 * Throws with solc's own report if a source does not compile.
 */
export function artifact(name: ContractName): Artifact {
  return artifactIn(SOURCES, name)
}

/**
 * The same for any other contracts, each named with its source's path from the
 * repository's root, or from node_modules.
 *
 * @param file where in `contracts/build/` they are cached
 * @param lenient accepts a source that the compiler warns about
 */
export function artifactIn<Name extends string>(
  sources: Readonly<Record<Name, string>>,
  name: Name,
  file = 'artifacts.json',
  lenient = false,
): Artifact {
  const input = compilerInput(Object.values(sources))
  const key = createHash('sha256').update(JSON.stringify(input)).digest('hex')
  const path = join(root, 'contracts/build', file)
  const build = readBuild(path, key) ?? writeBuild(path, { key, contracts: compile(input, sources, lenient) })
  const found = build.contracts[name]
  if (found === undefined) throw new Error(`${sources[name]} defines no contract ${name}`)
  return {
    abi: found.abi as JsonFragment[],
    bytecode: found.bytecode as Hex,
    deployedBytecode: found.deployedBytecode as Hex,
  }
}

/** Which source defines which contract. */
export const SOURCES = {
  ContributionLedger: 'contracts/solidity/ContributionLedger.sol',
  RewardDistributor: 'contracts/solidity/RewardDistributor.sol',
  AttuneToken: 'contracts/solidity/AttuneToken.sol',
  TimelockController: '@openzeppelin/contracts/governance/TimelockController.sol',
} as const
export type ContractName = keyof typeof SOURCES
export const CONTRACT_NAMES = Object.keys(SOURCES) as readonly ContractName[]
/** `abi` is what `new Interface(abi)` takes. */
export type Artifact = { abi: readonly JsonFragment[]; bytecode: Hex; deployedBytecode: Hex }

/** What an explorer verifies a contract's source by: solc's standard JSON input, of this contract alone. */
export function verificationInput(name: ContractName) {
  const { language, sources, settings } = compilerInput([SOURCES[name]])
  return { language, sources, settings }
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)

const hex = z.string().regex(/^0x[0-9a-f]+$/)
const Build = z.object({
  key: z.string(),
  contracts: z.record(z.string(), z.object({ abi: z.array(z.unknown()), bytecode: hex, deployedBytecode: hex })),
})
type Build = z.infer<typeof Build>

/**
 * Cancun: the newest rules that all the networks we name have adopted. No metadata hash: a comment changes no bytecode.
 */
const SETTINGS = {
  optimizer: { enabled: true, runs: 10_000 },
  evmVersion: 'cancun',
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
}

/** The one warning that is allowed: it concerns a guard that clears its slot at the end, as OpenZeppelin's does. */
const TRANSIENT_STORAGE = '2394'

function compilerInput(units: readonly string[]) {
  const sources = new Map<string, { content: string }>()
  for (const unit of units) gather(unit, sources)
  const { version } = z.object({ version: z.string() }).parse(require('solc/package.json'))
  return {
    compiler: version,
    language: 'Solidity',
    sources: Object.fromEntries([...sources].sort(([a], [b]) => (a < b ? -1 : 1))),
    settings: SETTINGS,
  }
}

/** Reads a source and everything that it imports, under the names that the imports resolve to. */
function gather(unit: string, into: Map<string, { content: string }>): void {
  if (into.has(unit)) return
  const path = /^(contracts|test)\//.test(unit) ? join(root, unit) : require.resolve(unit)
  const content = readFileSync(path, 'utf8')
  into.set(unit, { content })
  for (const [, target = ''] of content.matchAll(/^\s*import\s[^;]*?["']([^"']+)["'];/gm)) {
    gather(target.startsWith('.') ? posix.join(posix.dirname(unit), target) : target, into)
  }
}

const SolcOutput = z.object({
  errors: z
    .array(z.object({ severity: z.string(), errorCode: z.string().optional(), formattedMessage: z.string() }))
    .default([]),
  contracts: z
    .record(
      z.string(),
      z.record(
        z.string(),
        z.object({
          abi: z.array(z.unknown()),
          evm: z.object({
            bytecode: z.object({ object: z.string() }),
            deployedBytecode: z.object({ object: z.string() }),
          }),
        }),
      ),
    )
    .default({}),
})

function compile(
  { language, sources, settings }: ReturnType<typeof compilerInput>,
  units: Readonly<Record<string, string>>,
  lenient: boolean,
): Build['contracts'] {
  // Loaded only here: the compiler itself is 9 MB of JavaScript.
  const solc = require('solc') as { compile(input: string): string }
  const output = SolcOutput.parse(JSON.parse(solc.compile(JSON.stringify({ language, sources, settings }))))
  const errors = output.errors.filter(
    ({ severity, errorCode }) => errorCode !== TRANSIENT_STORAGE && !(lenient && severity !== 'error'),
  )
  const report = errors.map(({ formattedMessage }) => formattedMessage).join('\n')
  // A warning fails the build as well: this code holds other people's money.
  if (report !== '') throw new Error(`the contracts do not compile\n${report}`)
  return Object.fromEntries(
    Object.entries(units).map(([name, unit]) => {
      const contract = output.contracts[unit]?.[name]
      if (contract === undefined) throw new Error(`${unit} defines no contract ${name}`)
      const { abi, evm } = contract
      return [name, { abi, bytecode: `0x${evm.bytecode.object}`, deployedBytecode: `0x${evm.deployedBytecode.object}` }]
    }),
  )
}

/** A cache: if it is absent, unreadable or of other sources, it is simply rebuilt. */
function readBuild(file: string, key: string): Build | null {
  try {
    const build = Build.parse(JSON.parse(readFileSync(file, 'utf8')))
    return build.key === key ? build : null
  } catch {
    return null
  }
}

/** Written whole, then renamed: two processes that build at once both leave a good file. */
function writeBuild(file: string, build: Build): Build {
  mkdirSync(dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(build))
  renameSync(temporary, file)
  return build
}
