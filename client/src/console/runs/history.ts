/** A run's kept steps, in words. Pure. */
import type { BranchSettings, KeptStep } from '../../../../core/protocol/index.ts'

/** Why a step's weights are kept. */
export const reasonText: Record<KeptStep['keptBy'][number], string> = {
  last: 'one of the latest',
  every: 'every N steps',
  best: 'best so far',
  gate: 'last good evaluation',
  rollback: 'gone back to',
}

/** What a form's fields change: nothing where they are empty. What is no number is sent as such, and refused by name. */
export const overridesOf = (fields: { learningRate: string; epochs: string }): BranchSettings => ({
  ...(fields.learningRate.trim() !== '' && { learningRate: Number(fields.learningRate) }),
  ...(fields.epochs.trim() !== '' && { epochs: Number(fields.epochs) }),
})
