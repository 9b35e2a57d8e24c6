/** What sponsors and doubters do on the pages with their own wallets, on a chain whose time the test passes. */
import { parseEther } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tokenInterface } from '../../contracts/ledger/client/abi.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { ADMIN, STRANGER } from '../helpers/chain.ts'
import { sender } from '../helpers/ledger.ts'
import { adminPassword, guest } from '../server/attune.ts'
import { linkWallet, openPayingWorld, type PayingWorld } from '../server/paying.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'
import { injectWallet } from './wallet.ts'

const chromium = findChromium(process.env)
const WINDOW_SECONDS = 60
const BOND = parseEther('0.01')
const DAY = 86_400
/** One of anvil's own accounts. */
const TREASURER = '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6'

describe.skipIf(chromium === null)(
  chromium === null ? 'the ledger on the pages (no Chromium here: set CHROMIUM_PATH)' : 'the ledger on the pages',
  () => {
    let paying: PayingWorld
    let sponsor: Reader
    let ann: SignedIn

    beforeAll(async () => {
      await buildPage()
      paying = await openPayingWorld({
        disputeWindow: WINDOW_SECONDS,
        disputeBond: BOND,
        more: { TREASURER_PRIVATE_KEY: TREASURER },
      })
      ann = await guest(paying.server, 'Ann')
      await linkWallet(paying.server, ann, `0x${'5a'.repeat(32)}`)
      sponsor = await openReader(chromium ?? '', paying.server.url)
      await injectWallet(sponsor.page, {
        rpcUrl: paying.chain.rpcUrl,
        chainId: paying.chain.chainId,
        privateKey: STRANGER.privateKey,
      })
    }, 120_000)
    afterAll(async () => {
      await sponsor?.close()
      await paying?.close()
    })

    const record = async () => {
      await paying.usedVote(ann)
      await paying.recorder.closeEpoch()
    }
    const tokens = () => sender(paying.chain, { address: paying.contracts.token, abi: tokenInterface })
    const held = () => tokens().read<bigint>('balanceOf', [STRANGER.address])

    test('a sponsor funds a run with a token from the page: a sum that they do not hold is refused in words', async () => {
      const { page } = sponsor
      await tokens().send(ADMIN.privateKey, 'mint', [STRANGER.address, parseEther('10')])
      await page.goto('/console/demo')
      await page.getByTestId('username').fill('admin')
      await page.getByTestId('password').fill(adminPassword)
      await page.getByTestId('sign-in').click()
      await page.getByText('Fund this run').click()
      await page.getByLabel('Token (optional)').fill(paying.contracts.token)
      await page.getByLabel('Token (optional)').blur()
      await page.getByText('ATTUNE, 18 decimals').waitFor()
      await page.getByTestId('fund-price').fill('0.2')
      await page.getByTestId('fund-amount').fill('11')
      await page.getByTestId('fund-wallet').click()
      await page.getByRole('alert').getByText('Your wallet holds less of this token').waitFor()
      await page.getByTestId('fund-amount').fill('8')
      await page.getByTestId('fund-wallet').click()
      await page.locator('[data-testid=bounty][data-state=paying]').getByText('8 ATTUNE left').waitFor()
      expect(await held()).toBe(parseEther('2'))
    })

    test('what a closed bounty never owed returns to its sponsor by a button, two days later and not before', async () => {
      const { page } = sponsor
      await record()
      await page.getByTestId('close-bounty').click()
      const back = page.getByRole('button', { name: 'Withdraw the remainder' })
      await paying.pass(WINDOW_SECONDS + 1)
      await back.click()
      await page.getByRole('alert').getByText('It is too early').waitFor()
      await paying.pass(2 * DAY)
      await back.click()
      // A vote's price was earned.
      await page.locator('[data-testid=bounty]').getByText('0 ATTUNE left').waitFor()
      expect(await held()).toBe(parseEther('9.8'))
    })

    test('an administrator funds a run from the treasury, without a wallet', async () => {
      const { page } = sponsor
      await page.getByText('Fund this run').click()
      await page.getByLabel('Token (optional)').fill('')
      await page.getByLabel('Token (optional)').blur()
      await page.getByTestId('fund-price').fill('0.01')
      await page.getByTestId('fund-amount').fill('3')
      await page.getByTestId('fund-treasury').click()
      await page.locator('[data-testid=order][data-what=fund][data-state=done]').waitFor()
      await page.locator('[data-testid=bounty][data-state=paying]').getByText('3 ETH left').waitFor()
      await page.locator('[data-testid=bounty][data-state=paying]').getByText('funded by the treasury').waitFor()
    })

    test('a person who doubts an epoch disputes it from the page with a bond, and sees what came of it', async () => {
      const { page } = sponsor
      await record()
      await page.goto('/contributions')
      await page.getByRole('link', { name: 'All epochs' }).click()
      const epoch = page.locator('[data-testid=epoch][data-epoch="2"]')
      await epoch.getByTestId('dispute-open').click()
      await epoch.getByTestId('dispute-reason').fill('The manifest lists a vote twice.')
      await epoch.getByTestId('dispute-send').click()
      await epoch.locator('[data-outcome=open]').getByText('The manifest lists a vote twice.').waitFor()
      expect(await epoch.getAttribute('data-state')).toBe('disputed')
      expect(await paying.ledger.read('openDispute', [])).toEqual([STRANGER.address, BOND])
      expect(await page.getByTestId('dispute-open').count(), 'one dispute is open at a time').toBe(0)

      await paying.ledger.send(ADMIN.privateKey, 'resolve', [2n, true])
      await page.locator('[data-testid=epoch][data-epoch="2"][data-state=rejected] [data-outcome=upheld]').waitFor()
      await paying.recorder.closeEpoch()
      await record()
      await page.locator('[data-testid=epoch][data-epoch="2"][data-state=open]').waitFor()
      await page.getByTestId('withdraw-bond').click()
      await page.getByTestId('withdraw-bond').waitFor({ state: 'detached' })
      expect(await paying.ledger.read('returnedBonds', [STRANGER.address])).toBe(0n)
    })
  },
)
