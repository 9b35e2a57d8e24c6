// The networks that Attune names. Any other EVM chain works the same; it is
// only named by its RPC URL then.

/**
 * What a wallet and a deployment must know of a chain.
 *
 * `fees` is how its transactions bid: by EIP-1559 (a cap and a tip), or by a
 * single gas price. `source` is where the entry was taken from.
 */
export type Network = {
  name: string
  title: string
  chainId: number
  currency: { symbol: string; decimals: number }
  explorer: string
  rpcUrl: string
  testnet: boolean
  fees: 'eip1559' | 'gas-price'
  /** Confirmations after which no reorganisation is expected any more, the transaction's own block included. */
  confirmations: number
  note: string
  source: string
}

const OP_STACK = 'An OP Stack rollup: beside its gas, a transaction pays for its bytes on Ethereum.'

export const NETWORKS: readonly Network[] = [
  listed(
    'ethereum',
    'Ethereum',
    1,
    'ETH',
    'https://etherscan.io',
    'https://ethereum.reth.rs/rpc',
    'The dearest: take long epochs.',
    { key: 'mainnet' },
  ),
  listed(
    'sepolia',
    'Sepolia',
    11_155_111,
    'ETH',
    'https://sepolia.etherscan.io',
    'https://11155111.rpc.thirdweb.com',
    'Fees as on Ethereum, in coins without a price.',
    { testnet: true },
  ),
  listed(
    'polygon',
    'Polygon',
    137,
    'POL',
    'https://polygonscan.com',
    'https://polygon.drpc.org',
    'Nodes refuse tips below 25 gwei; reorganisations of several blocks happen: wait for 64.',
    { confirmations: 64 },
  ),
  listed(
    'polygon-amoy',
    'Polygon Amoy',
    80_002,
    'POL',
    'https://amoy.polygonscan.com',
    'https://polygon-amoy.drpc.org',
    'As Polygon.',
    { key: 'polygonAmoy', testnet: true, confirmations: 64 },
  ),
  listed('base', 'Base', 8_453, 'ETH', 'https://basescan.org', 'https://mainnet.base.org', OP_STACK),
  listed(
    'base-sepolia',
    'Base Sepolia',
    84_532,
    'ETH',
    'https://sepolia.basescan.org',
    'https://sepolia.base.org',
    OP_STACK,
    { key: 'baseSepolia', testnet: true },
  ),
  listed(
    'arbitrum',
    'Arbitrum One',
    42_161,
    'ETH',
    'https://arbiscan.io',
    'https://arb1.arbitrum.io/rpc',
    'The gas of a transaction includes the cost of its bytes on Ethereum, so estimates vary from block to block; tips are ignored.',
  ),
  listed(
    'optimism',
    'OP Mainnet',
    10,
    'ETH',
    'https://optimistic.etherscan.io',
    'https://mainnet.optimism.io',
    OP_STACK,
  ),
  listed(
    'zircuit',
    'Zircuit Mainnet',
    48_900,
    'ETH',
    'https://explorer.zircuit.com',
    'https://mainnet.zircuit.com',
    `${OP_STACK} Its sequencer may hold back a transaction that looks harmful.`,
  ),
  listed(
    'neon',
    'Neon EVM MainNet',
    245_022_934,
    'NEON',
    'https://neonscan.org',
    'https://neon-proxy-mainnet.solana.p2p.org',
    'An EVM on Solana: one gas price, asked of the node each time; gas amounts are not those of Ethereum. Its rules may be older than Cancun: the deployment looks before it pays.',
    { key: 'neonMainnet', fees: 'gas-price' },
  ),
  listed(
    'morph',
    'Morph',
    2_818,
    'ETH',
    'https://explorer.morphl2.io',
    'https://rpc.morphl2.io',
    'A rollup: beside its gas, a transaction pays for its bytes on Ethereum.',
  ),
  listed('unichain', 'Unichain', 130, 'ETH', 'https://uniscan.xyz', 'https://mainnet.unichain.org/', OP_STACK),
  listed(
    'story',
    'Data Network',
    1_514,
    'DATA',
    'https://datanetscan.io',
    'https://mainnet.datarpc.io',
    'Story, under its newer name and coin. A chain of its own with final blocks.',
  ),
  {
    name: 'airdao',
    title: 'AirDAO',
    chainId: 16_718,
    currency: { symbol: 'AMB', decimals: 18 },
    explorer: 'https://airdao.io/explorer',
    rpcUrl: 'https://network.ambrosus.io',
    testnet: false,
    fees: 'gas-price',
    confirmations: 12,
    note: 'One gas price. Its rules may be older than Cancun: the deployment looks before it pays.',
    source: 'ethereum-lists/chains: eip155-16718',
  },
  listed(
    'hedera',
    'Hedera Mainnet',
    295,
    'HBAR',
    'https://hashscan.io/mainnet',
    'https://mainnet.hashio.io/api',
    'Gas is priced in dollars and so its price in HBAR changes; at least 80 % of the gas limit is charged; amounts below 10^-8 HBAR do not exist.',
  ),
  listed(
    'rootstock',
    'Rootstock Mainnet',
    30,
    'RBTC',
    'https://explorer.rsk.co',
    'https://public-node.rsk.co',
    'Secured by Bitcoin: one gas price with a minimum set by miners, a block every 25 s or so; addresses carry a checksum of their own (EIP-1191).',
    { fees: 'gas-price' },
  ),
  {
    name: 'private',
    title: 'A private chain',
    chainId: 31_337,
    currency: { symbol: 'ETH', decimals: 18 },
    explorer: '',
    rpcUrl: 'http://127.0.0.1:8545',
    testnet: true,
    fees: 'eip1559',
    confirmations: 1,
    note: 'anvil on this machine.',
    source: 'anvil’s defaults',
  },
]

/** @throws Error that lists the known names */
export function networkOf(name: string): Network {
  const found = NETWORKS.find((network) => network.name === name)
  if (found === undefined)
    throw new Error(`there is no network ${name}; there are ${NETWORKS.map((network) => network.name).join(', ')}`)
  return found
}

/** The confirmations that an epoch waits for on a chain; 12 blocks on one that is not named here. */
export function confirmationsOf(chainId: number): number {
  return NETWORKS.find((network) => network.chainId === chainId)?.confirmations ?? 12
}

type Rest = { key?: string; testnet?: boolean; fees?: Network['fees']; confirmations?: number }

/** An entry of the list `viem/chains`, under `key` or else under its own name. */
function listed(
  name: string,
  title: string,
  chainId: number,
  symbol: string,
  explorer: string,
  rpcUrl: string,
  note: string,
  rest: Rest = {},
): Network {
  const { key = name, testnet = false, fees = 'eip1559', confirmations = 12 } = rest
  return {
    name,
    title,
    chainId,
    currency: { symbol, decimals: 18 },
    explorer,
    rpcUrl,
    testnet,
    fees,
    confirmations,
    note,
    source: `viem/chains: ${key}`,
  }
}
