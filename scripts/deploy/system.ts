import { Interface, ZeroAddress, id } from 'ethers'
import { named } from '../../contracts/ledger/client/rpc.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { type ContractName, artifact } from '../../contracts/solidity/compile.ts'
import { type Placed, place } from './create2.ts'
import { type Deployer, openDeployer } from './deployer.ts'

/**
 * Deploys Attune's contracts and waits until blocks include them: the ledger, the distributor that
 * pays by it, if requested a token, and a timelock that holds the admin role of all three. The same
 * options give the same addresses on every chain, and a second run finds what is there.
 *
 * @throws LedgerError `unreachable`, `unsupported-chain`, or `reverted` if a constructor refuses
 */
export async function deploySystem(options: DeployOptions): Promise<Deployment> {
  return named(async () => {
    const deployer = await openDeployer(options.rpcUrl, options.privateKey, options.chainId)
    const own = deployer.address
    const {
      recorder = own,
      arbiter = own,
      treasurer = own,
      adminDelay = 0,
      disputeWindow = 0,
      disputeBond = 0n,
    } = options
    const put = putter(deployer, options.salt ?? DEFAULT_SALT)
    const { timelock: lock, tokenCap } = options
    const timelock =
      lock && (await put('TimelockController', [BigInt(lock.delay), [lock.owner], [lock.owner], ZeroAddress]))
    const admin = timelock?.address ?? options.admin ?? own
    const ledger = await put('ContributionLedger', [
      admin,
      recorder,
      arbiter,
      treasurer,
      adminDelay,
      disputeWindow,
      disputeBond,
    ])
    const distributor = await put('RewardDistributor', [ledger.address])
    const token =
      tokenCap === undefined ? undefined : await put('AttuneToken', [tokenCap, admin, treasurer, adminDelay])
    return {
      chainId: deployer.chainId,
      roles: { admin, recorder, arbiter, treasurer },
      contracts: { ledger, distributor, ...(token && { token }), ...(timelock && { timelock }) },
    }
  })
}

export type DeployOptions = {
  rpcUrl: string
  /** The chain that the node must serve; any chain if absent. */
  chainId?: number
  /** Pays for the deployment; holds every role that no option assigns to another. */
  privateKey: Hex
  /** Holder of the admin role, unless a timelock is. */
  admin?: Address
  recorder?: Address
  arbiter?: Address
  treasurer?: Address
  /** A timelock as admin: whoever `owner` is (a Safe) proposes and executes, `delay` seconds apart. */
  timelock?: { owner: Address; delay: number }
  /** Seconds between the two steps of handing the admin role over. */
  adminDelay?: number
  /** Seconds that an epoch stays pending, 30 days at most. */
  disputeWindow?: number
  /** What a dispute costs until it is upheld, wei. */
  disputeBond?: bigint
  /** Deploys the token as well, with this cap, 10^-18 tokens. */
  tokenCap?: bigint
  /** 32 bytes; another salt gives other addresses. */
  salt?: Hex
}

/** Plain JSON. */
export type Deployment = {
  chainId: number
  roles: { admin: Address; recorder: Address; arbiter: Address; treasurer: Address }
  contracts: { ledger: PlacedContract; distributor: PlacedContract; token?: PlacedContract; timelock?: PlacedContract }
}
/** `constructorArguments` as an explorer wants them, ABI-encoded. */
export type PlacedContract = Placed & { contract: ContractName; constructorArguments: Hex }

const DEFAULT_SALT = id('attune') as Hex

function putter(deployer: Deployer, salt: Hex) {
  return async (contract: ContractName, args: readonly unknown[]): Promise<PlacedContract> => {
    const { abi, bytecode } = artifact(contract)
    const constructorArguments = new Interface(abi).encodeDeploy(args) as Hex
    const placed = await place(deployer, contract, `${bytecode}${constructorArguments.slice(2)}`, salt)
    return { ...placed, contract, constructorArguments }
  }
}
