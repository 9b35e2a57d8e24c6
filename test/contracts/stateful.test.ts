import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Action, actions, take } from './ledger-actions.ts'
import { audit, deployWorld, openLedgerWorld } from './ledger-world.ts'

const SEQUENCES = 80
const LENGTH = 130
/** Actions between two looks at all the money. */
const AUDIT_EVERY = 26

it('whatever anybody does in whatever order: nobody is paid twice, or from another’s pot, or more than was funded; and strangers move nothing', async () => {
  const deployed = await deployWorld()
  const seed = Number(process.hrtime.bigint() % 2n ** 31n)
  const [taken, done] = [new Map<Action['kind'], number>(), new Map<Action['kind'], number>()]
  const count = (map: Map<Action['kind'], number>, { kind }: Action) => map.set(kind, (map.get(kind) ?? 0) + 1)
  await fc.assert(
    fc.asyncProperty(actions(LENGTH), async (sequence) => {
      const world = await openLedgerWorld(deployed)
      for (const [i, action] of sequence.entries()) {
        count(taken, action)
        if (await take(world, action)) count(done, action)
        if (i % AUDIT_EVERY === 0) await audit(world)
      }
      await audit(world)
    }),
    // The seed and the path lead back to a failure; to shrink a sequence of this length would take hours.
    { seed, numRuns: SEQUENCES, endOnFailure: true },
  )
  const all = [...taken.values()].reduce((a, b) => a + b, 0)
  console.log(
    `seed ${seed}: ${all} actions; of each kind, and how many of them did something:`,
    Object.fromEntries([...taken].map(([kind, n]) => [kind, `${n} / ${done.get(kind) ?? 0}`])),
  )
  expect(all).toBeGreaterThanOrEqual(10_000)
  // A sequence in which nothing happens shows nothing.
  for (const [kind] of taken)
    if (kind !== 'claimElsewhere') expect(done.get(kind) ?? 0, `${kind}: times it did something`).toBeGreaterThan(0)
}, 300_000)
