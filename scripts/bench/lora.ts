/** What adapters on a model of GPT-2's 124M shape cost: tokens a second and memory, of a PPO step. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { table } from '../study/table.ts'

const LoraBench = z.object({
  /** New tokens a second, 16 answers at once. */
  sampling: z.number(),
  /** Prompt and response tokens a second of one pass of the base. */
  reference: z.number(),
  /** Prompt and response tokens a second of an update: a pass of the policy, then forward, backward and AdamW. */
  update: z.number(),
  /** Parameters, moments and caches, MiB. */
  heldMiB: z.number(),
  /** Peak resident memory of the process, MiB. */
  peakMiB: z.number(),
})
export type LoraBench = z.infer<typeof LoraBench>

export async function benchLora(say: (doing: string) => void): Promise<LoraBench> {
  say('adapters on the 124M shape')
  const script = fileURLToPath(new URL('lora-run.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script])
  return LoraBench.parse(JSON.parse(stdout))
}

export function loraText({ sampling, reference, update, heldMiB, peakMiB }: LoraBench): string {
  const head = ['LoRA on GPT-2’s shape (124M), rank 16', 'sampling', 'reference', 'update', 'held', 'peak resident']
  const row = [
    'tokens a second; MiB',
    ...[sampling, reference, update].map((x) => x.toFixed(0)),
    String(heldMiB),
    String(peakMiB),
  ]
  return table(head, [row])
}
