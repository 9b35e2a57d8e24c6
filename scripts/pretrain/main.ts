/**
 * `npm run pretrain`: writes the tokenizer, trains the demo model on the generator's exchanges and
 * says what its answers are like.
 *
 *     npm run pretrain -- [--steps 8000 | --minutes 10] [--seed 1] [--out models/demo] [--from models/demo] [--threads 2] [--sharpen 1]
 *
 * The same seed and steps give the same model on the same machine; with --minutes the clock decides.
 * --from goes on from another directory's weights and tokenizer instead of new ones; --sharpen 1.1
 * makes the finished model surer of itself (sharpen.ts).
 */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Tokenizer } from '@huggingface/tokenizers'
import { SingleBar } from 'cli-progress'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { loadWeights, readModel, saveWeights, writeModel } from '../../lm/files/directory.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import { answers, statistics, type Answer } from './answers.ts'
import { corpus } from './corpus.ts'
import { heldOutPerplexity, learn } from './learn.ts'
import { DEMO, writeModelFiles } from './model-files.ts'
import { heldOutPrompts } from './prompts.ts'
import { rememberingEncoder } from './rows.ts'
import { sharpened } from './sharpen.ts'

const TOKENIZER_EXCHANGES = 50_000
const SAVE_EVERY_STEPS = 500

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '8000' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'models/demo' },
    from: { type: 'string' },
    threads: { type: 'string' },
    sharpen: { type: 'string', default: '1' },
  },
})

/** A positive number from the command line; exits with a line that names the option. */
function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  console.error(`pretrain: --${name} must be a positive number, not "${text}"`)
  process.exit(2)
}

const seed = positive('seed', values.seed)
const steps = positive('steps', values.steps)
const minutes = values.minutes === undefined ? null : positive('minutes', values.minutes)
const sharpness = positive('sharpen', values.sharpen)
const out = values.out

if (values.from === undefined) {
  console.log(`tokenizer: ${DEMO.vocabSize} entries from ${TOKENIZER_EXCHANGES} exchanges`)
  writeModelFiles(out, corpus(seed, TOKENIZER_EXCHANGES), seed)
} else if (values.from !== out) {
  cpSync(values.from, out, { recursive: true })
}
const read = (name: string): object => JSON.parse(readFileSync(join(out, name), 'utf8')) as object
const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'))
const encode = rememberingEncoder(tokenizer)

// Two threads wait for each other on a machine that has other work to do: there, --threads 1 is twice as fast.
const engine = await openOnnx(values.threads === undefined ? {} : { threads: positive('threads', values.threads) })
const start = values.from === undefined ? initialModel(gpt2(DEMO), seed) : await readModel(values.from)
loadWeights(engine.states, start)
const measured = { engine, model: start, encode, seed }
const save = async (): Promise<void> => writeModel(out, await saveWeights(engine, start))

const started = performance.now()
const elapsed = (): number => (performance.now() - started) / 1000
const progress = (step: number): number => (minutes === null ? step / steps : elapsed() / (60 * minutes))
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
const model = sharpened(await saveWeights(engine, start), sharpness)
loadWeights(engine.states, model)
await writeModel(out, model)

function show(title: string, given: readonly Answer[]): void {
  const s = statistics(given)
  console.log(
    `${title}: ${s.count} answers, readable ${(100 * s.readable).toFixed(1)} %, compassion ${s.compassion.toFixed(3)} ` +
      `± ${s.compassionDeviation.toFixed(3)} [${s.compassionBins.join(' ')}], usefulness ${s.usefulness.toFixed(3)}`,
  )
}

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
