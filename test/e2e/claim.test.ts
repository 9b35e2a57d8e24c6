/** Money, from a sponsor's wallet to raters' wallets: in real browsers, on the whole system. */
import { parseEther, toQuantity } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { request } from '../../scripts/crowd/account.ts'
import { openInstance, type Instance } from '../../scripts/study/instance.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { newAccount } from '../helpers/accounts.ts'
import { STRANGER } from '../helpers/chain.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { startQuickSession, until } from './sessions.ts'
import { injectWallet, type TestWallet } from './wallet.ts'

const chromium = findChromium(process.env)
/** Seconds in which an epoch can be disputed, and its votes be appealed. */
const WINDOW = 6
const CHAIN_ID = 31_337
/** What a used vote earns; one that no step has used earns nothing. */
const VOTE = parseEther('0.01')
const password = 'a validator’s password'

describe.skipIf(chromium === null)(chromium === null ? 'money (no Chromium here: set CHROMIUM_PATH)' : 'money', () => {
  let instance: Instance
  let sessionId: string
  let sponsor: Reader
  let validator: Reader
  let anna: Reader & { wallet: TestWallet }
  let ben: Reader & { wallet: TestWallet }

  const withWallet = async (privateKey: Hex): Promise<Reader & { wallet: TestWallet }> => {
    const reader = await openReader(chromium ?? '', instance.attune.url)
    return {
      ...reader,
      wallet: await injectWallet(reader.page, { rpcUrl: instance.attune.rpcUrl, chainId: CHAIN_ID, privateKey }),
    }
  }
  const signIn = async ({ page }: Reader, username: string, password: string): Promise<void> => {
    await page.goto('/console')
    await page.getByTestId('username').fill(username)
    await page.getByTestId('password').fill(password)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('user-menu').waitFor()
  }
  const node = () => openProvider(instance.attune.rpcUrl, CHAIN_ID)
  const holds = ({ wallet: { address } }: { wallet: TestWallet }) => node().getBalance(address)

  beforeAll(async () => {
    instance = await openInstance({
      env: {
        BLOCKCHAIN_SYNC_INTERVAL: '2000',
        BLOCKCHAIN_POLL_INTERVAL: '500',
        BLOCKCHAIN_DISPUTE_WINDOW: String(WINDOW),
      },
    })
    // Both raters are known here: they have qualified by votes that this test doesn't wait for.
    await instance.pool.query(`
      create function known_rater() returns trigger as $$ begin new.comparable := greatest(new.comparable, 10); return new; end $$ language plpgsql;
      create trigger known_rater before insert on receipts for each row execute function known_rater();`)
    // A step waits for two votes: it uses both raters' first ones, and none that comes alone.
    sessionId = (await startQuickSession(instance, 'Paid', { minVotesPerStep: 2 })).id
    ;[sponsor, validator, anna, ben] = await Promise.all([
      withWallet(STRANGER.privateKey),
      openReader(chromium ?? '', instance.attune.url),
      withWallet(newAccount().privateKey),
      withWallet(newAccount().privateKey),
    ])
  }, 180_000)
  afterAll(async () => {
    await Promise.all([sponsor, validator, anna, ben].map((reader) => reader?.close()))
    await instance?.close()
  }, 60_000)

  /** Votes on the answer on the table; gives the vote's id. */
  const vote = async ({ page }: Reader): Promise<string> => {
    await page.goto(`/session/${sessionId}`)
    await page.waitForSelector('[data-testid=sample][data-status=open]', { timeout: 60_000 })
    await page.locator('[data-testid=sample]').focus()
    await page.keyboard.press('8')
    await page.keyboard.press('Enter')
    await page.locator('[data-testid=sent-vote][data-state=stored]').first().waitFor()
    const { rows } = await instance.pool.query<{ id: string }>(
      `select f.id from feedback f join users u on u.id = f.user_id where f.session_id = $1 and u.id = $2 order by f.seq desc limit 1`,
      [
        sessionId,
        await page.evaluate(() => (JSON.parse(localStorage.getItem('attune.account') ?? '{}') as SignedIn).user.userId),
      ],
    )
    return rows[0]!.id
  }
  /** The reader's own page, with their wallet linked. */
  const link = async ({ page, wallet }: Reader & { wallet: TestWallet }): Promise<void> => {
    await page.goto('/contributions')
    await page.getByTestId('link-wallet').click()
    expect(await page.getByTestId('linked').innerText()).toBe(wallet.address.toLowerCase())
  }
  const claimable = ({ page }: Reader, amount: bigint) =>
    page
      .locator(`[data-testid=earning][data-session="${sessionId}"][data-claimable="${amount}"]`)
      .waitFor({ timeout: 60_000 })
  const claimed = ({ page }: Reader, amount: bigint) =>
    page
      .locator(`[data-testid=earning][data-session="${sessionId}"][data-claimed="${amount}"]`)
      .waitFor({ timeout: 30_000 })

  test('a researcher funds a run from their wallet, and the crowd is told what a vote earns', async () => {
    const { username, password } = instance.attune.adminCredentials
    await signIn(sponsor, username, password)
    await sponsor.page.goto(`/console/${sessionId}`)
    await sponsor.page.getByText('Fund this run').click()
    await sponsor.page.getByTestId('fund-amount').fill('1')
    await sponsor.page.getByTestId('fund-price').fill('0.01')
    await sponsor.page.getByTestId('fund-wallet').click()
    await sponsor.page.locator('[data-testid=bounty][data-state=paying]').waitFor({ timeout: 30_000 })
    await anna.page.goto(`/session/${sessionId}`)
    await anna.page.locator('[data-testid=pay][data-paying=true]').getByText('0.01 ETH').waitFor()
  })

  let uncounted: string
  test('raters vote and link their wallets; one vote comes too late for any step', async () => {
    await Promise.all([vote(anna), vote(ben)])
    await Promise.all([link(anna), link(ben)])
    await until('both votes are used, for good', 60, async () => {
      const { rows } = await instance.pool.query('select from receipts where session_id = $1 and final', [sessionId])
      return rows.length === 2
    })
    uncounted = await vote(anna)
    await sponsor.page.getByTestId('stop').click()
    await sponsor.page.getByTestId('confirm-stop').click()
    await until('the run ends', 30, async () => {
      const { rows } = await instance.pool.query<{ status: string }>('select status from sessions where id = $1', [
        sessionId,
      ])
      return rows[0]?.status === 'completed'
    })
  }, 120_000)

  test('the late vote is appealed, and a validator who has no part in the run upholds that on their page', async () => {
    await anna.page.goto('/contributions')
    const contribution = anna.page.locator(`[data-testid=contribution][data-feedback="${uncounted}"]`)
    await contribution.getByTestId('appeal-open').click()
    await contribution.getByTestId('appeal-statement').fill('The run was stopped before a step could use it.')
    await contribution.getByTestId('appeal-send').click()
    await contribution.locator('[data-testid=appeal][data-state=open]').waitFor()

    const { username, password: secret } = instance.attune.adminCredentials
    const { url } = instance.attune
    await request(url, 'POST', '/api/auth/register', { body: { username: 'validator', password } })
    const { token } = await request<SignedIn>(url, 'POST', '/api/auth/login', { body: { username, password: secret } })
    await request(url, 'POST', '/api/auth/role', { token, body: { username: 'validator', role: 'validator' } })
    await signIn(validator, 'validator', password)
    await validator.page.goto('/appeals')
    const waiting = validator.page.locator(`[data-testid=appeal-case][data-feedback="${uncounted}"]`)
    await waiting.getByTestId('reason').fill('It was given in time, and the stop was not the rater’s.')
    await waiting.getByTestId('uphold').click()
    await waiting.waitFor({ state: 'detached' })
    await contribution.locator('[data-testid=appeal][data-state=upheld]').waitFor()
  })

  test('a rater whose wallet holds nothing signs a claim, and is paid by the server’s relayer', async () => {
    await claimable(ben, VOTE)
    ben.wallet.agrees = false
    await ben.page.getByTestId('claim-relayer').click()
    await ben.page.getByRole('alert').getByText('You declined in the wallet').waitFor()
    ben.wallet.agrees = true
    await ben.page.getByTestId('claim-relayer').click()
    await ben.page.locator('[data-testid=relayed][data-state=done]').waitFor({ timeout: 30_000 })
    await claimed(ben, VOTE)
    expect(await ben.page.locator('[data-testid=verify-result]').getAttribute('data-valid')).toBe('true')
    expect(ben.wallet.asked).not.toContain('eth_sendTransaction')
    expect(await holds(ben)).toBe(VOTE)
    await ben.page.locator(`[data-testid=balance][data-amount="${VOTE}"]`).waitFor()
    expect(await ben.page.getByTestId('claim-relayer').count(), 'what was paid is not offered again').toBe(0)
  }, 120_000)

  test('the correction comes with a later epoch, and a claim from the rater’s own wallet pays the whole of it', async () => {
    const { page } = anna
    // 100 credits of the used vote; of the late one none, and 100 by the appeal.
    await claimable(anna, 2n * VOTE)
    await page.getByText(/Corrected in epoch \d+: 100 credit points more/).waitFor()
    const { rows } = await instance.pool.query<{ vote: number; correction: number }>(
      `select v.epoch_id as vote, r.epoch_id as correction from epoch_records v
       join contributions c on (c.payload ->> 'corrects')::uuid = v.feedback_id
       join epoch_records r on r.contribution_id = c.id where v.feedback_id = $1`,
      [uncounted],
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]!.correction).toBeGreaterThan(rows[0]!.vote)

    // A wallet that sends for itself pays the fee.
    const fee = parseEther('0.1')
    await node().send('anvil_setBalance', [anna.wallet.address, toQuantity(fee)])
    await page.getByTestId('claim-wallet').click()
    await claimed(anna, 2n * VOTE)
    const hash = await page.getByTestId('transaction').getAttribute('data-hash')
    const receipt = await node().getTransactionReceipt(hash ?? '')
    expect(receipt?.status).toBe(1)
    expect(await holds(anna)).toBe(fee + 2n * VOTE - (receipt?.fee ?? 0n))
  }, 120_000)
})
