import { getBytes, isError, type Wallet, type TypedDataDomain, type TypedDataField } from 'ethers'
import type { Page } from 'playwright-core'
import { openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf } from '../helpers/accounts.ts'

export interface TestWallet {
  address: Address
  /** What the page has asked for, in order. */
  asked: string[]
  /** Whether the person at the wallet agrees; while false it answers as if they had declined. */
  agrees: boolean
}

/**
 * Gives a page a wallet as EIP-1193 has it: an account that signs and sends here, in the test,
 * and a node for everything else. It shows its account only once the page has asked for it.
 */
export async function injectWallet(
  page: Page,
  { rpcUrl, chainId, privateKey }: { rpcUrl: string; chainId: number; privateKey: Hex },
): Promise<TestWallet> {
  const account = accountOf(privateKey).connect(openProvider(rpcUrl, chainId))
  const wallet: TestWallet = { address: account.address as Address, asked: [], agrees: true }
  let shown = false

  const answer = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    wallet.asked.push(method)
    if (needsPerson.has(method) && !wallet.agrees)
      throw Object.assign(new Error('User rejected the request.'), { code: 4001 })
    switch (method) {
      case 'eth_requestAccounts':
        shown = true
        return [account.address]
      case 'eth_accounts':
        return shown ? [account.address] : []
      case 'personal_sign':
        return account.signMessage(getBytes(params[0] as Hex))
      case 'eth_signTypedData_v4':
        return signTyped(account, params[1] as string)
      case 'eth_sendTransaction': {
        const { to, data, value } = params[0] as { to: Address; data: Hex; value: Hex }
        return (await account.sendTransaction({ to, data, value })).hash
      }
      default:
        return askNode(rpcUrl, method, params)
    }
  }
  await page.exposeFunction('askTestWallet', async (method: string, params: readonly unknown[] = []) => {
    try {
      return { result: await answer(method, params) }
    } catch (error) {
      return { error: asProviderError(error) }
    }
  })
  await page.addInitScript(() => {
    const ask = (
      window as unknown as {
        askTestWallet: (method: string, params: unknown) => Promise<{ result?: unknown; error?: object }>
      }
    ).askTestWallet
    Object.assign(window, {
      ethereum: {
        async request({ method, params }: { method: string; params?: unknown }) {
          const { result, error } = await ask(method, params)
          if (error !== undefined) throw Object.assign(new Error(), error)
          return result
        },
      },
    })
  })
  return wallet
}

const needsPerson = new Set(['eth_requestAccounts', 'personal_sign', 'eth_signTypedData_v4', 'eth_sendTransaction'])

/** ethers signs the domain's fields by the domain itself, and refuses a type of that name. */
function signTyped(account: Wallet, typedData: string): Promise<string> {
  const { domain, types, message } = JSON.parse(typedData) as {
    domain: TypedDataDomain
    types: Record<string, TypedDataField[]>
    message: Record<string, unknown>
  }
  const { EIP712Domain: _, ...others } = types
  return account.signTypedData(domain, others, message)
}

/** The node's answer as it is; its refusals, too. */
async function askNode(rpcUrl: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (error !== undefined) throw Object.assign(new Error(error.message), error)
  return result
}

/** An error as wallets hand it on: the node's code and message, and the contract's own words. */
function asProviderError(error: unknown): { code: number; message: string; data?: unknown } {
  if (isError(error, 'CALL_EXCEPTION')) return { code: -32_000, message: error.shortMessage, data: error.data }
  const { code, message, data } = error as { code?: unknown; message: string; data?: unknown }
  return { code: typeof code === 'number' ? code : -32_000, message, data }
}
