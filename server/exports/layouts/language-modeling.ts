import { z } from 'zod'
import { Messages, type Layout } from './layout.ts'

/** Language modeling: prompt and answer as one text, or as one conversation; answers whose value is at least `minValue`. */
export const languageModeling: Layout = {
  trainers: 'SFTTrainer',
  task: 'text-generation',
  schema: (text) =>
    text === Messages ? z.object({ messages: text, id: z.string() }) : z.object({ text, id: z.string() }),
  of({ id, prompt, response }, say) {
    const whole = say.whole(String(prompt), String(response))
    return { [typeof whole === 'string' ? 'text' : 'messages']: whole, id }
  },
}
