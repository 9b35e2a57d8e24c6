/**
 * `npm run deploy -- --network NAME`: Attune's contracts on a chain, with a record and what an explorer needs to verify
 * their source.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ZeroHash, getAddress, parseEther } from 'ethers'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { verificationInput } from '../../contracts/solidity/compile.ts'
import { NETWORKS, networkOf } from '../../contracts/ledger/client/networks.ts'
import { type Deployment, type DeployOptions, deploySystem } from './system.ts'

const usage = `npm run deploy -- --network NAME --key-file FILE [options]

Deploys the contribution ledger and the reward distributor. The same options give the same addresses on
every chain that has the deterministic deployer; a second run finishes or finds what a first one began.

  --network NAME       ${wrapped(NETWORKS.map(({ name }) => name))}
  --rpc URL            a node of your own; without --network, of any chain
  --key-file FILE      0x and 64 hex digits, readable by you alone; pays, and holds the roles given to nobody else
  --admin ADDRESS      hands out the roles and sets the dispute terms; a Safe, best behind --timelock
  --timelock SECONDS   puts a timelock between the admin and the contracts
  --recorder, --arbiter, --treasurer ADDRESS
  --window SECONDS     that an epoch can be disputed (604800)
  --bond ETHER         that a dispute costs until it is upheld, in the chain's coin (0.1)
  --admin-delay SECONDS  between the two steps of handing the admin role over (259200)
  --token-cap TOKENS   deploys the token as well, with this cap
  --salt HEX           32 bytes; others give other addresses
  --out DIR            for the record and the verification inputs (deployments)`

async function main(args: string[]): Promise<void> {
  const values = parse(args)
  if (values.help) return console.log(usage)
  const network = values.network === undefined ? null : networkOf(values.network)
  const rpcUrl = values.rpc ?? network?.rpcUrl
  const keyFile = values['key-file']
  if (rpcUrl === undefined || keyFile === undefined)
    throw new Error(`give --network NAME or --rpc URL, and --key-file FILE\n\n${usage}`)
  const deployment = await deploySystem({
    rpcUrl,
    privateKey: readFileSync(keyFile, 'utf8').trim() as Hex,
    ...(network && { chainId: network.chainId }),
    ...choices(values),
  })
  const folder = join(values.out, String(deployment.chainId))
  writeRecord(folder, { ...(network && { network: network.name }), ...deployment })
  for (const [role, { address, txHash, deterministic }] of Object.entries(deployment.contracts)) {
    const how =
      txHash === null
        ? 'was there already'
        : deterministic
          ? 'deployed'
          : 'deployed; this chain has no deterministic deployer, so the address is of this chain alone'
    console.log(`${role.padEnd(12)} ${address}  ${how}`)
  }
  console.log(`\nThe record and the verification inputs are in ${folder}. For Attune's environment:\n`)
  const { ledger, distributor } = deployment.contracts
  console.log(
    `BLOCKCHAIN_NETWORK_ID=${deployment.chainId}\nBLOCKCHAIN_RPC_URL=${rpcUrl}\nCONTRACT_ADDRESS=${ledger.address}\nDISTRIBUTOR_ADDRESS=${distributor.address}`,
  )
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args,
    options: {
      network: text,
      rpc: text,
      'key-file': text,
      admin: text,
      timelock: text,
      recorder: text,
      arbiter: text,
      treasurer: text,
      window: { ...text, default: '604800' },
      bond: { ...text, default: '0.1' },
      'admin-delay': { ...text, default: '259200' },
      'token-cap': text,
      salt: text,
      out: { ...text, default: 'deployments' },
      help: { type: 'boolean', default: false },
    },
  })
  return values
}

function choices(values: ReturnType<typeof parse>): Partial<DeployOptions> {
  const { admin, recorder, arbiter, treasurer, timelock, salt } = values
  const cap = values['token-cap']
  if (timelock !== undefined && admin === undefined)
    throw new Error('--timelock needs --admin: the Safe that proposes and executes')
  if (salt !== undefined && !new RegExp(`^0x[0-9a-f]{${ZeroHash.length - 2}}$`, 'i').test(salt))
    throw new Error('--salt is 0x and 64 hex digits')
  return {
    ...(admin !== undefined && { admin: address(admin) }),
    ...(recorder !== undefined && { recorder: address(recorder) }),
    ...(arbiter !== undefined && { arbiter: address(arbiter) }),
    ...(treasurer !== undefined && { treasurer: address(treasurer) }),
    ...(timelock !== undefined &&
      admin !== undefined && { timelock: { owner: address(admin), delay: seconds(timelock) } }),
    ...(cap !== undefined && { tokenCap: parseEther(cap) }),
    ...(salt !== undefined && { salt: salt as Hex }),
    disputeWindow: seconds(values.window),
    disputeBond: parseEther(values.bond),
    adminDelay: seconds(values['admin-delay']),
  }
}

/** `<out>/<chain id>/deployment.json`, and beside it each contract's standard JSON input. */
function writeRecord(folder: string, deployment: Deployment & { network?: string }): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'deployment.json'), `${JSON.stringify(deployment, null, 2)}\n`)
  for (const { contract } of Object.values(deployment.contracts)) {
    writeFileSync(join(folder, `${contract}.input.json`), `${JSON.stringify(verificationInput(contract), null, 2)}\n`)
  }
}

function address(text: string): Address {
  return getAddress(text) as Address
}

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${text} is not a number of seconds`)
  return Number(text)
}

/** Lines of four names, under the first. */
function wrapped(names: readonly string[]): string {
  const lines = names.flatMap((_, i) => (i % 6 === 0 ? [names.slice(i, i + 6).join(', ')] : []))
  return lines.join(`,\n${' '.repeat(23)}`)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
