/** Signing in with a browser wallet (EIP-1193), by a Sign-In with Ethereum message (EIP-4361). */
import type { SignedIn } from '../../server/protocol.ts'
import { ApiError, request } from './api.ts'

interface Eip1193 {
  request(call: { method: string; params?: unknown[] }): Promise<unknown>
}

declare global {
  interface Window {
    ethereum?: Eip1193
  }
}

export const hasWallet = (): boolean => window.ethereum !== undefined

/**
 * Asks the wallet for its account and a signature, and the server for a sign-in. With `token`,
 * the wallet is linked to that account.
 *
 * @throws ApiError `invalid` where the wallet gives no account, or the server's refusal
 */
export async function signInByWallet(token: string | undefined): Promise<SignedIn> {
  const wallet = window.ethereum
  if (!wallet) throw new ApiError('invalid', 'This browser has no wallet. Install one, or sign in with a password.')
  const [{ nonce }, { createSiweMessage }, { getAddress, isAddress, toHex }] = await Promise.all([
    request<{ nonce: string }>('POST', '/api/auth/wallet/nonce', {}, token),
    import('viem/siwe'),
    import('viem'),
  ])
  const accounts = await wallet.request({ method: 'eth_requestAccounts' })
  const account: unknown = Array.isArray(accounts) ? accounts[0] : undefined
  if (typeof account !== 'string' || !isAddress(account)) throw new ApiError('invalid', 'The wallet gave no account. Unlock it and try again.')
  const chainId = Number(await wallet.request({ method: 'eth_chainId' }))
  const message = createSiweMessage({
    address: getAddress(account),
    chainId,
    domain: location.host,
    nonce,
    uri: location.origin,
    version: '1',
    statement: 'Sign in to Attune.',
  })
  const signature = await wallet.request({ method: 'personal_sign', params: [toHex(message), account] })
  return request<SignedIn>('POST', '/api/auth/wallet/verify', { message, signature }, token)
}
