// npm run deploy -- --rpc URL --key-file FILE [--admin ADDRESS] [--recorder ADDRESS] [--window SECONDS] [--admin-delay SECONDS]

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Address, type Hex, createWalletClient, getAddress, http, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { ledgerAbi } from '../contracts/abi.ts'
import { named, openClient } from '../contracts/chain.ts'
import { artifact } from '../contracts/compile.ts'
import { LedgerError } from '../contracts/errors.ts'

/**
 * Deploys a ContributionLedger and waits until a block holds it.
 *
 * @throws LedgerError `unreachable`, or `reverted` where the constructor refuses
 */
export async function deployLedger(options: DeployOptions): Promise<Deployment> {
  const { rpcUrl, privateKey, admin, recorder, adminDelay = 0, disputeWindow = 0 } = options
  const account = privateKeyToAccount(privateKey)
  return named(async () => {
    const { client, chainId } = await connect(rpcUrl)
    const wallet = createWalletClient({ account, chain: client.chain, transport: http(rpcUrl) })
    const { bytecode } = artifact('ContributionLedger')
    const txHash = await wallet.deployContract({
      abi: ledgerAbi,
      bytecode,
      args: [admin ?? account.address, recorder ?? account.address, adminDelay, disputeWindow],
    })
    const receipt = await client.waitForTransactionReceipt({ hash: txHash, timeout: 120_000 })
    if (receipt.status !== 'success' || !receipt.contractAddress) {
      throw new LedgerError('reverted', `the deployment ${txHash} failed: is the dispute window over 30 days?`)
    }
    return {
      address: receipt.contractAddress.toLowerCase() as Address,
      chainId,
      txHash,
      blockNumber: Number(receipt.blockNumber),
      codeHash: keccak256(bytecode),
    }
  })
}

/**
 * The ledger of a private chain: the known one where its code is still there
 * and is that of this source, else a new one. The caller keeps the answer.
 *
 * A chain that was reset gives its first deployment the same address again,
 * and the recorder then sends the old epochs to it anew.
 */
export async function ensureLedger(
  options: DeployOptions & { known: Deployment | null },
): Promise<{ deployment: Deployment; reused: boolean }> {
  const { known } = options
  if (known !== null && (await stillThere(options.rpcUrl, known))) return { deployment: known, reused: true }
  return { deployment: await deployLedger(options), reused: false }
}

export type DeployOptions = {
  rpcUrl: string
  /** Pays for the deployment. */
  privateKey: Hex
  /** Holder of the admin role; the deployer where absent. */
  admin?: Address
  /** Holder of RECORDER_ROLE; the deployer where absent. */
  recorder?: Address
  /** Seconds between the two steps of handing the admin role over. */
  adminDelay?: number
  /** Seconds that an epoch stays pending, 30 days at most. */
  disputeWindow?: number
}

/** Plain JSON. */
export type Deployment = {
  address: Address
  chainId: number
  txHash: Hex
  blockNumber: number
  /** keccak of the creation code, to tell a ledger of other source. */
  codeHash: Hex
}

async function stillThere(rpcUrl: string, known: Deployment): Promise<boolean> {
  return named(async () => {
    const { client, chainId } = await connect(rpcUrl)
    if (chainId !== known.chainId || known.codeHash !== keccak256(artifact('ContributionLedger').bytecode)) return false
    return (await client.getCode({ address: known.address })) !== undefined
  })
}

async function connect(rpcUrl: string) {
  const chainId = await openClient(rpcUrl, 0).getChainId()
  return { chainId, client: openClient(rpcUrl, chainId) }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rpc: { type: 'string' },
      'key-file': { type: 'string' },
      admin: { type: 'string' },
      recorder: { type: 'string' },
      window: { type: 'string', default: '604800' },
      'admin-delay': { type: 'string', default: '259200' },
    },
  })
  if (values.rpc === undefined || values['key-file'] === undefined) {
    throw new Error('give --rpc URL and --key-file FILE (0x and 64 hex digits, readable by you alone)')
  }
  const deployment = await deployLedger({
    rpcUrl: values.rpc,
    privateKey: readFileSync(values['key-file'], 'utf8').trim() as Hex,
    ...(values.admin !== undefined && { admin: getAddress(values.admin) }),
    ...(values.recorder !== undefined && { recorder: getAddress(values.recorder) }),
    disputeWindow: seconds(values.window),
    adminDelay: seconds(values['admin-delay']),
  })
  console.log(JSON.stringify(deployment, null, 2))
}

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${text} is not a number of seconds`)
  return Number(text)
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}
