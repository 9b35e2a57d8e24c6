import { z } from 'zod'
import type { Layout } from './layout.ts'

/** Prompts alone, for trainers that sample their own answers. */
export const promptOnly: Layout = {
  trainers: 'GRPOTrainer, RLOOTrainer, OnlineDPOTrainer',
  task: 'text-generation',
  schema: (text) => z.object({ prompt: text, id: z.string() }),
  of: ({ id, prompt }, say) => ({ prompt: say.prompt(String(prompt)), id }),
}
