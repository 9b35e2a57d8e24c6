import { z } from 'zod'
import type { Layout } from './layout.ts'

/** Preference with an explicit prompt, as TRL recommends it. */
export const preference: Layout = {
  trainers: 'DPOTrainer, ORPOTrainer, CPOTrainer, RewardTrainer',
  task: 'reinforcement-learning',
  schema: (text) => z.object({ prompt: text, chosen: text, rejected: text, id: z.string() }),
  of: ({ id, prompt, chosen, rejected }, say) => ({
    prompt: say.prompt(String(prompt)),
    chosen: say.completion(String(chosen)),
    rejected: say.completion(String(rejected)),
    id,
  }),
}
