/**
 * `npm run deploy -- --network NAME`: deploys Attune's contracts to a chain, with a record and what an explorer needs
 * to verify their source.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getAddress, isAddress, isHexString, parseEther } from 'ethers'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { verificationInput } from '../../contracts/solidity/compile.ts'
import { NETWORKS, networkOf } from '../../contracts/ledger/client/networks.ts'
import { command, main } from '../cli/command.ts'
import { Misuse, oneOf, parsed, text, whole } from '../cli/options.ts'
import { type Deployment, type DeployOptions, deploySystem } from './system.ts'

const seconds = (what: string) => whole('SECONDS', what, { least: 0, most: 999_999_999 })
const role = (what: string) => parsed('ADDRESS', what, addressOf).optional()

const deploy = command({
  name: 'npm run deploy --',
  summary: 'deploys the contribution ledger and the reward distributor to a chain',
  detail:
    'The same options give the same addresses on every chain that has the deterministic deployer; a second run finishes or finds what a first one began.',
  options: {
    network: oneOf(
      'NAME',
      'the chain',
      NETWORKS.map(({ name }) => name),
    ).optional(),
    rpc: text('URL', 'a node of your own; without --network, of any chain').optional(),
    keyFile: text(
      'FILE',
      '0x and 64 hex digits, readable by you alone; pays, and holds the roles given to nobody else',
    ),
    admin: role('hands out the roles and sets the dispute terms; a Safe, best behind --timelock'),
    timelock: seconds('puts a timelock between the admin and the contracts').optional(),
    recorder: role('records epochs'),
    arbiter: role('decides disputes'),
    treasurer: role('mints the token, collects the bonds of lost disputes, and may pause the ledger'),
    window: seconds('that an epoch can be disputed').or(604_800),
    bond: parsed('ETHER', 'that a dispute costs until it is upheld, in the chain’s coin', amountOf).or(
      parseEther('0.1'),
      '0.1',
    ),
    adminDelay: seconds('between the two steps of handing the admin role over').or(259_200),
    tokenCap: parsed('TOKENS', 'deploys the token as well, with this cap', amountOf).optional(),
    salt: parsed('HEX', '32 bytes; others give other addresses', saltOf).optional(),
    out: text('DIR', 'for the record and the verification inputs').or('deployments'),
  },
  run: deployAll,
})

interface Wanted {
  network?: string
  rpc?: string
  keyFile: string
  admin?: Address
  timelock?: number
  recorder?: Address
  arbiter?: Address
  treasurer?: Address
  window: number
  bond: bigint
  adminDelay: number
  tokenCap?: bigint
  salt?: Hex
  out: string
}

async function deployAll(options: Wanted): Promise<void> {
  const network = options.network === undefined ? null : networkOf(options.network)
  const rpcUrl = options.rpc ?? network?.rpcUrl
  if (rpcUrl === undefined) throw new Misuse('deploy needs --network or --rpc')
  const deployment = await deploySystem({
    rpcUrl,
    privateKey: readFileSync(options.keyFile, 'utf8').trim() as Hex,
    ...(network && { chainId: network.chainId }),
    ...choices(options),
  })
  const folder = join(options.out, String(deployment.chainId))
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

function choices({ window, bond, adminDelay, timelock, admin, ...given }: Wanted): Partial<DeployOptions> {
  if (timelock !== undefined && admin === undefined)
    throw new Misuse('--timelock needs --admin: the Safe that proposes and executes')
  const { recorder, arbiter, treasurer, tokenCap, salt } = given
  return {
    ...(admin !== undefined && { admin }),
    ...(recorder !== undefined && { recorder }),
    ...(arbiter !== undefined && { arbiter }),
    ...(treasurer !== undefined && { treasurer }),
    ...(timelock !== undefined && admin !== undefined && { timelock: { owner: admin, delay: timelock } }),
    ...(tokenCap !== undefined && { tokenCap }),
    ...(salt !== undefined && { salt }),
    disputeWindow: window,
    disputeBond: bond,
    adminDelay,
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

function addressOf(given: string, name: string): Address {
  if (!isAddress(given)) throw new Misuse(`${name} is an address, not ${JSON.stringify(given)}`)
  return getAddress(given) as Address
}

function amountOf(given: string, name: string): bigint {
  if (!/^\d+(\.\d{1,18})?$/.test(given))
    throw new Misuse(`${name} is an amount such as 0.1, not ${JSON.stringify(given)}`)
  return parseEther(given)
}

function saltOf(given: string, name: string): Hex {
  if (!isHexString(given, 32)) throw new Misuse(`${name} is 0x and 64 hex digits`)
  return given
}

await main(deploy)
