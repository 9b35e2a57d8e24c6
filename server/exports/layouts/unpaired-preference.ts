import { z } from 'zod'
import type { Layout } from './layout.ts'

/** Unpaired preference: whether an answer is good, its value at least `minValue`. */
export const unpairedPreference = (minValue: number): Layout => ({
  trainers: 'KTOTrainer, BCOTrainer',
  task: 'reinforcement-learning',
  schema: (text) => z.object({ prompt: text, completion: text, label: z.boolean(), id: z.string() }),
  of: ({ id, prompt, response, value }, say) => ({
    prompt: say.prompt(String(prompt)),
    completion: say.completion(String(response)),
    label: Number(value) >= minValue,
    id,
  }),
})
