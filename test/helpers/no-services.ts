/** A unit test that starts a service fails: its place is a folder of the stage `services` (vitest.config.ts). */
import { vi } from 'vitest'

const misplaced = vi.hoisted(() => () => {
  throw new Error('a unit test starts no service: move it to a folder of the stage "services" (vitest.config.ts)')
})

// Every service, shared or of one's own, is started or asked for by one of these.
vi.mock('../../scripts/start/child.ts', async (original) => ({ ...(await original<object>()), startChild: misplaced }))
vi.mock('./services.ts', async (original) => ({ ...(await original<object>()), openServices: misplaced }))
