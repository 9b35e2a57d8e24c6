import type { Page } from 'playwright-core'
import { BaseError, createWalletClient, http, type Address, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { openClient } from '../../contracts/ledger/client/chain.ts'

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
  const account = privateKeyToAccount(privateKey)
  const node = openClient(rpcUrl, chainId)
  const sender = createWalletClient({ account, chain: node.chain, transport: http(rpcUrl) })
  const wallet: TestWallet = { address: account.address, asked: [], agrees: true }
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
        return account.signMessage({ message: { raw: params[0] as Hex } })
      case 'eth_signTypedData_v4':
        return account.signTypedData(JSON.parse(params[1] as string) as Parameters<typeof account.signTypedData>[0])
      case 'eth_sendTransaction': {
        const { to, data, value } = params[0] as { to: Address; data: Hex; value: Hex }
        return sender.sendTransaction({ to, data, value: BigInt(value) })
      }
      default:
        return node.request({ method, params } as never)
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

/** An error as wallets hand it on: the node's code and message, and the contract's own words. */
function asProviderError(error: unknown): { code: number; message: string; data?: unknown } {
  if (error instanceof BaseError) {
    const inner = error.walk((cause) => typeof cause === 'object' && cause !== null && 'data' in cause)
    const data = inner !== null && typeof inner === 'object' && 'data' in inner ? inner.data : undefined
    return { code: -32_000, message: error.shortMessage, data }
  }
  const { code, message } = error as { code: number; message: string }
  return { code, message }
}
