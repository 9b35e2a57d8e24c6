/**
 * The whole system at once: real services and processes, real browsers, simulated raters. One instance
 * serves all of it; the parts are in their own files.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { openInstance, type Instance } from '../../scripts/study/instance.ts'
import { findChromium } from './chromium.ts'
import { survivesKills } from './kills.ts'
import { twoBrowsers } from './two-browsers.ts'
import { voteToProof } from './vote-to-proof.ts'

const chromium = findChromium(process.env)
let instance: Instance | undefined

/** What the parts work with, once it is there. */
const opened = (): Instance => {
  if (instance === undefined) throw new Error('the instance did not start')
  return instance
}

beforeAll(async () => {
  instance = await openInstance({ env: { BLOCKCHAIN_SYNC_INTERVAL: '3000' } })
}, 180_000)
afterAll(() => instance?.close(), 60_000)

describe.skipIf(chromium === null)(
  chromium === null ? 'with browsers (no Chromium here: set CHROMIUM_PATH)' : 'with browsers',
  () => {
    twoBrowsers(opened, chromium ?? '')
    voteToProof(opened, chromium ?? '')
  },
)
survivesKills(opened, chromium)
