import { stat } from 'node:fs/promises'
import { SingleBar } from 'cli-progress'
import { ifThere } from '../../lm/files/disk.ts'
import type { Progress } from '../../lm/files/hub.ts'
import { importModel as takeIn, type ImportedModel, type Source } from '../../lm/files/import.ts'
import { Misuse, parse, type Surroundings } from './arguments.ts'

const text = { type: 'string' } as const

/** Imports a local directory, or a repository of the hub, under MODELS_PATH. */
export async function importModel(
  args: readonly string[],
  { modelsPath, hub, maxModelBytes, say }: Surroundings,
): Promise<ImportedModel> {
  const { values, positional } = parse(
    args,
    { engine: text, device: text, name: text, revision: text, token: text },
    'source: a directory, or a repository such as owner/name',
  )
  const source = await sourceOf(positional, {
    hubUrl: hub.url,
    revision: values.revision ?? 'main',
    token: values.token ?? hub.token,
  })
  const bar = openBar(say)
  try {
    const imported = await takeIn(source, {
      modelsPath,
      name: values.name,
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
}

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

/** Milliseconds between two lines where there is no terminal to draw a bar on. */
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
