/**
 * `npm run pretrain`: writes the tokenizer, trains the demo model on the generator's exchanges and
 * reports what its answers are like.
 */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { SingleBar } from 'cli-progress'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { loadWeights, readModel, saveWeights, writeModel } from '../../lm/files/directory.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import { command, main } from '../cli/command.ts'
import { number, text, whole } from '../cli/options.ts'
import { answers, statistics, type Answer } from './answers.ts'
import { corpus } from './corpus.ts'
import { heldOutPerplexity, learn } from './learn.ts'
import { DEMO, writeModelFiles } from './model-files.ts'
import { heldOutPrompts } from './prompts.ts'
import { rememberingEncoder } from './rows.ts'
import { sharpened } from './sharpen.ts'

const TOKENIZER_EXCHANGES = 50_000
const SAVE_EVERY_STEPS = 500

const pretrain = command({
  name: 'npm run pretrain --',
  summary: 'trains the demo model from nothing, and says what its answers are like',
  detail: 'The same seed and steps give the same model on the same machine; with --minutes the clock decides.',
  options: {
    steps: whole('STEPS', 'how many updates', { least: 1 }).or(8_000),
    minutes: number('MINUTES', 'trains so long, instead of a number of steps', { above: 0 }).optional(),
    seed: whole('SEED', 'of the corpus and of the first weights', { least: 1 }).or(1),
    out: text('DIR', 'where the model is written').or('models/demo'),
    from: text('DIR', 'goes on from its weights and tokenizer, instead of from new ones').optional(),
    threads: whole('THREADS', 'of the engine; 1 where the machine has other work to do', { least: 1 }).optional(),
    sharpen: number('FACTOR', 'makes the finished model surer of itself (sharpen.ts)', { above: 0 }).or(1),
  },
  run: trainDemo,
})

interface Wanted {
  steps: number
  minutes?: number
  seed: number
  out: string
  from?: string
  threads?: number
  sharpen: number
}

async function trainDemo({ steps, minutes, seed, out, from, threads, sharpen }: Wanted): Promise<void> {
  if (from === undefined) {
    console.log(`tokenizer: ${DEMO.vocabSize} entries from ${TOKENIZER_EXCHANGES} exchanges`)
    writeModelFiles(out, corpus(seed, TOKENIZER_EXCHANGES), seed)
  } else if (from !== out) {
    cpSync(from, out, { recursive: true })
  }
  const read = (name: string): object => JSON.parse(readFileSync(join(out, name), 'utf8')) as object
  const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'))
  const encode = rememberingEncoder(tokenizer)

  // Two threads wait for each other on a busy machine: there, --threads 1 is twice as fast.
  const engine = await openOnnx(threads === undefined ? {} : { threads })
  const start = from === undefined ? initialModel(gpt2(DEMO), seed) : await readModel(from)
  loadWeights(engine.states, start)
  const measured = { engine, model: start, encode, seed }
  const save = async (): Promise<void> => writeModel(out, await saveWeights(engine, start))

  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  const progress = (step: number): number => (minutes === undefined ? step / steps : elapsed() / (60 * minutes))
  const bar = new SingleBar({
    format: 'training [{bar}] {percentage}% | step {step} | loss {loss} | {speed} tokens/s | {seconds} s left',
  })
  bar.start(1000, 0, { step: 0, loss: '-', speed: '-', seconds: '-' })
  let smooth = 0
  await learn({
    ...measured,
    progress,
    async onStep({ step, loss, tokens }) {
      smooth = step === 1 ? loss : 0.95 * smooth + 0.05 * loss
      const done = Math.min(1, progress(step))
      bar.update(Math.round(1000 * done), {
        step,
        loss: smooth.toFixed(3),
        speed: Math.round(tokens / elapsed()),
        seconds: Math.round((elapsed() / done) * (1 - done)),
      })
      if (step % SAVE_EVERY_STEPS === 0) await save()
      // Without a terminal there is no bar.
      if (step % 100 === 0 && !process.stdout.isTTY)
        console.log(`step ${step}, ${Math.round(elapsed())} s, loss ${smooth.toFixed(3)}`)
    },
  })
  bar.stop()
  const model = sharpened(await saveWeights(engine, start), sharpen)
  loadWeights(engine.states, model)
  await writeModel(out, model)

  const perplexity = await heldOutPerplexity({ ...measured, seed: seed + 1 })
  console.log(`held-out perplexity ${perplexity.toFixed(3)} per answer token, ${Math.round(elapsed())} s`)
  const sampled = await answers(heldOutPrompts(seed, 100), { engine, model: start, tokenizer, temperature: 1, seed })
  const greedy = await answers(heldOutPrompts(seed, 64), { engine, model: start, tokenizer, temperature: 0, seed })
  for (const { prompt, text, rating } of sampled.slice(0, 12)) {
    console.log(
      `\n  ${prompt}\n  > ${text}\n    compassion ${rating.compassion.toFixed(2)}, usefulness ${rating.usefulness.toFixed(2)}${rating.readable ? '' : ', NOT readable'}`,
    )
  }
  console.log()
  show('temperature 1', sampled)
  show('greedy', greedy)
  await engine.close()
}

function show(title: string, given: readonly Answer[]): void {
  const s = statistics(given)
  console.log(
    `${title}: ${s.count} answers, readable ${(100 * s.readable).toFixed(1)} %, compassion ${s.compassion.toFixed(3)} ` +
      `± ${s.compassionDeviation.toFixed(3)} [${s.compassionBins.join(' ')}], usefulness ${s.usefulness.toFixed(3)}`,
  )
}

await main(pretrain, (error) => console.error(error))
