/** The reader's browser wallet (EIP-1193): signing in with it (EIP-4361), and sending what the page has prepared. */
import type { Hex } from '../../../contracts/ledger/hex.ts'
import type { ChainFacts, SignedIn } from '../../../core/protocol/index.ts'
import { ApiError, request } from '../api.ts'
import type { Call } from '../ledger/transactions.ts'

interface Eip1193 {
  request(call: { method: string; params?: unknown }): Promise<unknown>
}

declare global {
  interface Window {
    ethereum?: Eip1193
  }
}

/** The interval between polls for a receipt, milliseconds, and the number of polls. */
const LOOK_MS = 1_000
const LOOKS = 180

export const hasWallet = (): boolean => window.ethereum !== undefined

/** The account that this page may already see; does not prompt the reader. */
export async function knownAccount(): Promise<Hex | null> {
  return hasWallet() ? first(await ask('eth_accounts')) : null
}

/**
 * Asks the wallet for its account and a signature, and the server for a sign-in. With `token`,
 * the wallet is linked to that account.
 *
 * @throws ApiError `invalid` where the wallet gives no account, or the server's refusal
 */
export async function signInByWallet(token: string | undefined): Promise<SignedIn> {
  const account = await chooseAccount()
  const [{ nonce }, { signInMessage, bytesOf }] = await Promise.all([
    request<{ nonce: string }>('POST', '/api/auth/wallet/nonce', {}, token),
    import('./sign-in-message.ts'),
  ])
  const chainId = Number(await ask('eth_chainId'))
  const message = signInMessage({
    address: account,
    chainId,
    domain: location.host,
    nonce,
    uri: location.origin,
    statement: 'Sign in to Attune.',
    issuedAt: new Date(),
  })
  const signature = await ask('personal_sign', [bytesOf(message), account])
  return request<SignedIn>('POST', '/api/auth/wallet/verify', { message, signature }, token)
}

/**
 * Has the wallet send a call on this chain, and waits until a block includes it. The call is
 * simulated first, so that a call the contract would refuse costs nothing.
 *
 * @returns the transaction's hash
 * @throws ApiError with a message for the reader
 */
export async function send(facts: ChainFacts, { to, data, value }: Call): Promise<Hex> {
  const from = await chooseAccount()
  await choose(facts)
  const call = { from, to, data, value: `0x${value.toString(16)}` }
  await ask('eth_call', [call, 'latest'])
  const hash = hexOf(await ask('eth_sendTransaction', [call]))
  for (let look = 0; look < LOOKS; look++) {
    const receipt = await ask('eth_getTransactionReceipt', [hash])
    if (typeof receipt === 'object' && receipt !== null && 'status' in receipt) {
      if (Number(receipt.status) === 1) return hash
      throw new ApiError('conflict', `The transaction ${hash} failed. Only its fee was spent.`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  throw new ApiError(
    'unavailable',
    `The transaction ${hash} is not in a block yet. It may still be included: check your wallet.`,
  )
}

/**
 * The linked account's signature on what the page has prepared (EIP-712).
 *
 * @throws ApiError where the wallet uses another account, or the reader declines
 */
export async function signTyped(facts: ChainFacts, account: string, typedData: string): Promise<Hex> {
  const chosen = await chooseAccount()
  if (chosen !== account)
    throw new ApiError('invalid', `This needs your linked wallet, ${account}. Select it in your wallet and try again.`)
  await choose(facts)
  return hexOf(await ask('eth_signTypedData_v4', [account, typedData]))
}

/**
 * An account's balance of a token, or of the chain's coin, by the wallet's node; null where the wallet is on another
 * chain. Does not prompt the reader.
 */
export async function balanceOf({ chainId }: ChainFacts, token: string, account: string): Promise<bigint | null> {
  if (!hasWallet() || Number(await ask('eth_chainId')) !== chainId) return null
  if (/^0x0{40}$/.test(token)) return BigInt(hexOf(await ask('eth_getBalance', [account, 'latest'])))
  const data = `${BALANCE_OF}${account.slice(2).padStart(64, '0')}`
  return BigInt(hexOf(await ask('eth_call', [{ to: token, data }, 'latest'])))
}
/** The selector of ERC-20's `balanceOf(address)`. */
const BALANCE_OF = '0x70a08231'

/** Requests the account if the reader has not granted access yet. */
async function chooseAccount(): Promise<Hex> {
  const account = first(await ask('eth_requestAccounts'))
  if (account === null) throw new ApiError('invalid', 'The wallet returned no account. Unlock it and try again.')
  return account
}

/** Switches the wallet to the contracts' chain. */
async function choose({ chainId, name, coin, rpcUrl, explorer }: ChainFacts): Promise<void> {
  if (Number(await ask('eth_chainId')) === chainId) return
  const wanted = `0x${chainId.toString(16)}`
  try {
    await ask('wallet_switchEthereumChain', [{ chainId: wanted }])
  } catch (error) {
    if (!(error instanceof WalletError) || error.walletCode !== UNKNOWN_CHAIN) throw error
    if (rpcUrl === null)
      throw new ApiError('invalid', `Your wallet does not know ${name} (chain ${chainId}). Add it there and try again.`)
    const chain = {
      chainId: wanted,
      chainName: name,
      nativeCurrency: { name: coin.symbol, ...coin },
      rpcUrls: [rpcUrl],
    }
    await ask('wallet_addEthereumChain', [{ ...chain, ...(explorer !== null && { blockExplorerUrls: [explorer] }) }])
  }
  if (Number(await ask('eth_chainId')) !== chainId)
    throw new ApiError('invalid', `Select ${name} (chain ${chainId}) in your wallet and try again.`)
}

/** The wallet's error where it declined or failed a request. */
class WalletError extends ApiError {
  readonly walletCode: number
  constructor(walletCode: number, message: string) {
    super('conflict', message)
    this.walletCode = walletCode
  }
}
/** EIP-1193 and EIP-3326. */
const DECLINED = 4001
const UNKNOWN_CHAIN = 4902

async function ask(method: string, params?: unknown): Promise<unknown> {
  const wallet = window.ethereum
  if (!wallet) throw new ApiError('invalid', 'This browser has no wallet. Install one and try again.')
  try {
    return await wallet.request(params === undefined ? { method } : { method, params })
  } catch (error) {
    throw await said(error)
  }
}

/** Wallets reject with an object of a code, a message, and somewhere in it the contract's own error. */
async function said(error: unknown): Promise<WalletError> {
  const { code, message, data } = parts(error)
  if (code === DECLINED) return new WalletError(code, 'You declined in the wallet. Nothing was sent.')
  if (data !== null) {
    const { refusalOf } = await import('../ledger/transactions.ts')
    const refusal = refusalOf(data)
    if (refusal !== null) return new WalletError(code, refusal)
  }
  return new WalletError(code, `The wallet says: ${message}`)
}

function parts(error: unknown): { code: number; message: string; data: Hex | null } {
  if (typeof error !== 'object' || error === null) return { code: 0, message: String(error), data: null }
  const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown }
  const inner = typeof data === 'object' && data !== null && 'data' in data ? data.data : data
  return {
    code: Number(code),
    message: String(message),
    data: typeof inner === 'string' && /^0x[0-9a-f]{8}/i.test(inner) ? (inner as Hex) : null,
  }
}

const first = (accounts: unknown): Hex | null => {
  const [account] = Array.isArray(accounts) ? (accounts as unknown[]) : []
  return typeof account === 'string' && /^0x[0-9a-f]{40}$/i.test(account) ? (account.toLowerCase() as Hex) : null
}

function hexOf(answer: unknown): Hex {
  if (typeof answer === 'string' && answer.startsWith('0x')) return answer as Hex
  throw new ApiError('conflict', 'The wallet returned an invalid answer. Try again.')
}
