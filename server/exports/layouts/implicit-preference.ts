import { z } from 'zod'
import type { Layout } from './layout.ts'

/** Preference with an implicit prompt: it is in both texts. */
export const implicitPreference: Layout = {
  trainers: 'RewardTrainer, DPOTrainer',
  task: 'reinforcement-learning',
  schema: (text) => z.object({ chosen: text, rejected: text, id: z.string() }),
  of: ({ id, prompt, chosen, rejected }, say) => ({
    chosen: say.whole(String(prompt), String(chosen)),
    rejected: say.whole(String(prompt), String(rejected)),
    id,
  }),
}
