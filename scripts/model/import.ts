import { stat } from 'node:fs/promises'
import { SingleBar } from 'cli-progress'
import { ifThere } from '../../lm/files/disk.ts'
import type { Progress } from '../../lm/files/hub.ts'
import { importModel as takeIn, type Source } from '../../lm/files/import.ts'
import { command } from '../cli/command.ts'
import { Misuse, text } from '../cli/options.ts'
import { engineOptions, type ModelCommand } from './surroundings.ts'

/** Imports a local directory, or a repository of the hub, under MODELS_PATH. */
export const importModel: ModelCommand = (around) =>
  command({
    name: 'import',
    summary: 'takes a model in under MODELS_PATH, once it is whole',
    detail: 'What was downloaded before is gone on from.',
    takes: {
      value: 'SOURCE',
      what: 'source (a directory, or a repository of the Hugging Face hub such as owner/name)',
    },
    options: {
      ...engineOptions,
      name: text('NAME', 'what it is called here; else as its source').optional(),
      revision: text('REVISION', 'branch, tag or commit of the repository').or('main'),
      token: text('TOKEN', 'of the hub; else HF_TOKEN').optional(),
    },
    async run({ name, revision, token }, [given]) {
      const { modelsPath, hub, maxModelBytes, say } = around()
      const source = await sourceOf(given, { hubUrl: hub.url, revision, token: token ?? hub.token })
      const bar = openBar(say)
      try {
        const imported = await takeIn(source, {
          modelsPath,
          name,
          maxBytes: maxModelBytes,
          onProgress: bar.show,
        })
        say(
          `${imported.name}: a ${imported.model.family} of ${imported.model.parameters} parameters, in ${imported.directory}`,
        )
        if (imported.model.prompts === 0)
          say(
            `it has no prompts yet, which a run needs: npm run model -- prompts ${imported.directory} --file prompts.jsonl`,
          )
        return imported
      } finally {
        bar.close()
      }
    },
  })

async function sourceOf(
  given: string,
  hub: { hubUrl: string; revision: string; token: string | undefined },
): Promise<Source> {
  if (await ifThere(stat(given))) return { kind: 'directory', path: given }
  const repo = given.replace(/^(hf:\/\/|https:\/\/huggingface\.co\/)/, '')
  if (!/^[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*$/.test(repo))
    throw new Misuse(`${given} is neither a directory nor a repository such as owner/name`)
  return { kind: 'hub', repo, ...hub }
}

/** Milliseconds between two lines if there is no terminal to draw a bar on. */
const quiet = 10_000

function openBar(say: (line: string) => void): { show: (progress: Progress) => void; close: () => void } {
  if (!process.stderr.isTTY) return { show: everySoOften(say), close: () => {} }
  const bar = new SingleBar({ format: '{file} [{bar}] {percentage}% | {done} of {all} MB', stream: process.stderr })
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
  let started = false
  return {
    show({ file, bytes, totalBytes }) {
      const shown = { file, done: megabytes(bytes), all: megabytes(totalBytes) }
      if (started) bar.update(bytes, shown)
      else bar.start(totalBytes, bytes, shown)
      started = true
    },
    close: () => bar.stop(),
  }
}

function everySoOften(say: (line: string) => void): (progress: Progress) => void {
  let last = 0
  return ({ file, bytes, totalBytes }) => {
    const now = Date.now()
    if (now - last < quiet && bytes < totalBytes) return
    last = now
    say(`${file}: ${bytes} of ${totalBytes} bytes`)
  }
}
