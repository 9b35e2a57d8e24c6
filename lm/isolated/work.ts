/** Runs one job of isolated.ts, and reports its result. */
import { parentPort, workerData } from 'node:worker_threads'
import { givePrompts } from '../files/give-prompts.ts'
import type { Kind, Said, Work } from './isolated.ts'
import { describeModel } from '../files/describe.ts'
import { readPromptFile } from '../files/prompt-file.ts'
import { packModel } from '../files/archive.ts'

const work: { [K in Kind]: (given: Work[K]['given']) => Promise<Work[K]['made']> } = {
  describe: ({ directory }) => describeModel(directory),
  givePrompts: ({ directory, jsonl, what }) => givePrompts(directory, jsonl, what),
  async countPrompts({ directory, examples }) {
    const prompts = await readPromptFile(directory)
    return { prompts: prompts.length, examples: prompts.slice(0, examples).map(({ prompt }) => prompt) }
  },
  pack: (given) => packModel(given),
}

/** Longest error message that is passed on, characters: it may quote untrusted text. */
const SAID_CHARS = 1_000

const { kind, given } = workerData as { [K in Kind]: { kind: K; given: Work[K]['given'] } }[Kind]
const say = (said: Said): void => parentPort?.postMessage(said)
await (work[kind] as (given: unknown) => Promise<unknown>)(given).then(
  (made) => say({ made }),
  (error: unknown) => {
    const text = error instanceof Error ? error.message : String(error)
    const code =
      error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error
        ? error.code
        : null
    say({ failed: text.length > SAID_CHARS ? `${text.slice(0, SAID_CHARS)}…` : text, code })
  },
)
