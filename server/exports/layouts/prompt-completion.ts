import { z } from 'zod'
import type { Layout } from './layout.ts'

/** Prompt and completion: the answers whose value is at least `minValue`. */
export const promptCompletion: Layout = {
  trainers: 'SFTTrainer, GKDTrainer',
  task: 'text-generation',
  schema: (text) => z.object({ prompt: text, completion: text, id: z.string() }),
  of: ({ id, prompt, response }, say) => ({
    prompt: say.prompt(String(prompt)),
    completion: say.completion(String(response)),
    id,
  }),
}
