/** `npm run study -- learning | endurance | one-rater | hacking | algorithms | turnaround | reliability | compassion | choice | offline | draw`: what voting does to a policy. */
import { readFile, writeFile } from 'node:fs/promises'
import { command, group, main } from '../cli/command.ts'
import { flag, Misuse, number, text, whole } from '../cli/options.ts'
import { ALGORITHMS, algorithms, algorithmsText, improves, runLine } from './algorithms.ts'
import type { Chart } from './chart-page.ts'
import {
  algorithmsChart,
  chartOf,
  compassionChart,
  enduranceChart,
  hackingChart,
  learningChart,
  reliabilityChart,
  turnaroundChart,
} from './charts.ts'
import { choice, choiceText } from './choice.ts'
import { compassion, compassionText } from './compassion.ts'
import { endurance, enduranceText, type EnduranceRun } from './endurance.ts'
import { hacking, hackingText } from './hacking.ts'
import { Stopped } from './instance.ts'
import { learning, learningText } from './learning.ts'
import { machine } from './machine.ts'
import { offline } from './offline.ts'
import { oneRater, oneRaterText } from './one-rater.ts'
import { openProgress } from './progress.ts'
import { reliability, reliabilityText } from './reliability.ts'
import { loopReliability, loopReliabilityText } from './reliability-loop.ts'
import { turnaround, turnaroundText } from './turnaround.ts'
import { liveTurnaround, liveTurnaroundText } from './turnaround-live.ts'

const seconds = (what: string) => whole('SECONDS', what, { least: 1 })
const raters = whole('COUNT', 'how many simulated raters', { least: 1 }).or(12)
const seed = whole('SEED', 'what chance decides follows from it', { least: 0 }).or(1)
const seeds = (otherwise: number) =>
  whole('COUNT', 'how many runs, each by a seed of its own', { least: 1 }).or(otherwise)
const model = text('DIR', 'the model that learns').or('models/demo')
const json = text('FILE', 'writes the figures there, and the curves as a PNG beside them').optional()
const figuresAlone = text('FILE', 'writes the figures there').optional()

/** Each prints its findings, and resolves to whether they are as expected. */
const commands = [
  command({
    name: 'learning',
    summary: 'does a crowd’s taste reach the model?',
    detail: 'On a throw-away instance, once for each seed, and once with votes at random.',
    options: { seeds: seeds(3), seconds: seconds('how long each crowd votes').or(180), raters, json },
    async run({ json: file, ...options }) {
      const result = await learning({ ...options, onVerdict: (lines) => console.log(`\n${lines.join('\n')}`) })
      console.log(`\n${learningText(result)}`)
      await write(file, result, learningChart(result))
      return allHold(result)
    },
  }),
  command({
    name: 'endurance',
    summary: 'does a run keep learning, and follow a crowd that turns round and back?',
    detail: 'For half an hour on a throw-away instance, once for each seed.',
    options: { seeds: seeds(3), minutes: number('MINUTES', 'of each third', { above: 0 }).or(10), raters, json },
    async run({ json: file, ...options }) {
      const onRun = (run: EnduranceRun): void => console.log(`\nseed ${run.seed}: ${run.steps} steps`)
      const result = await endurance({ ...options, onRun })
      console.log(`\n${enduranceText(result)}`)
      await write(file, result, enduranceChart(result))
      return allHold(result)
    },
  }),
  command({
    name: 'one-rater',
    summary: 'what do one person’s votes change?',
    detail: 'On a throw-away instance.',
    options: { votes: whole('VOTES', 'how many', { least: 1 }).or(50), seed, json: figuresAlone },
    async run({ json: file, ...options }) {
      const result = await oneRater(options)
      console.log(`\n${oneRaterText(result)}`)
      await write(file, result)
      return allHold(result)
    },
  }),
  command({
    name: 'hacking',
    summary: 'is a reward that can be cheated noticed, and the run paused?',
    detail: 'Two runs on throw-away instances: length alone can raise the reward of one of them.',
    options: {
      seconds: seconds('how long each run takes, at most').or(480),
      ...{ raters, seed },
      lengthBonus: number('BONUS', 'reward for each deviation of length', { above: 0, most: 1 }).or(0.3),
      json,
    },
    async run({ json: file, ...options }) {
      const result = await hacking(options)
      console.log(`\n${hackingText(result)}`)
      await write(file, result, hackingChart(result))
      return allHold(result)
    },
  }),
  command({
    name: 'algorithms',
    summary: 'does each algorithm learn what votes say?',
    detail: 'PPO, GRPO and DPO learn from the same kind of votes, without an instance.',
    options: { seeds: seeds(5), steps: whole('STEPS', 'of each run', { least: 1 }).or(12), model, json },
    async run({ json: file, model: modelDir, ...options }) {
      const onRun = (run: Parameters<typeof runLine>[0]): void => console.log(`\n${runLine(run)}`)
      const result = await algorithms({ modelDir, ...options, onRun })
      console.log(`\n${algorithmsText(result)}`)
      await write(file, result, algorithmsChart(result))
      return ALGORITHMS.every((algorithm) => improves(result, algorithm))
    },
  }),
  command({
    name: 'turnaround',
    summary: 'does the model follow a crowd that changes its mind?',
    detail:
      'Halfway through a run, without an instance. With --live on a throw-away one: one crowd votes for --seconds, and another against it for --then.',
    options: {
      steps: whole('STEPS', 'of the run', { least: 2 }).or(60),
      ...{ seed, model },
      live: flag('on an instance; draws nothing'),
      seconds: seconds('how long the first crowd votes, with --live').or(200),
      then: seconds('how long the second one does').or(300),
      ...{ raters, json },
    },
    async run({ live, ...options }) {
      return live ? turnRoundLive(options) : turnRound(options)
    },
  }),
  command({
    name: 'reliability',
    summary: 'whom does a room listen to, and can it be turned?',
    detail: 'Thirty raters and groups that mislead them, by the product’s own functions, without an instance.',
    options: {
      seeds: seeds(5),
      steps: whole('STEPS', 'that a model is trained for on such votes; 0 leaves that out', { least: 0 }).or(80),
      ...{ model, json },
    },
    async run({ json: file, steps, model: modelDir, ...options }) {
      const result = await reliability(options)
      console.log(`\n${reliabilityText(result)}`)
      const loop = steps > 0 ? await loopReliability({ ...options, modelDir, steps }) : null
      if (loop) console.log(`\n${loopReliabilityText(loop)}`)
      await write(file, { ...result, ...(loop && { loop }) }, reliabilityChart(result))
      return allHold(result) && (loop === null || allHold(loop))
    },
  }),
  command({
    name: 'compassion',
    summary: 'what does the weight of compassion trade for what?',
    detail: 'The same crowd with λ from 0 to 1, without an instance.',
    options: { seeds: seeds(5), steps: whole('STEPS', 'of each run', { least: 1 }).or(60), model, json },
    async run({ json: file, model: modelDir, ...options }) {
      const result = await compassion({ modelDir, ...options })
      console.log(`\n${compassionText(result)}`)
      await write(file, result, compassionChart(result))
      return allHold(result)
    },
  }),
  command({
    name: 'choice',
    summary: 'how many votes does it save to show what may be the best?',
    detail: 'Against showing any answers, without an instance and without training a policy.',
    options: {
      seeds: seeds(5),
      rounds: whole('ROUNDS', 'of four votes each', { least: 4 }).or(20),
      ...{ model, json: figuresAlone },
    },
    async run({ json: file, model: modelDir, ...options }) {
      const result = await choice({
        ...{ modelDir, ...options },
        onSeed: (at, chosen, random) =>
          console.log(`seed ${at}: ${chosen.toFixed(3)} by choice, ${random.toFixed(3)} at random`),
      })
      console.log(`\n${choiceText(result)}`)
      await write(file, result)
      return result.needed !== null && result.needed < (result.votes.at(-1) ?? 0)
    },
  }),
  offline,
  command({
    name: 'draw',
    summary: 'draws the curves of figures that a study has written',
    detail: 'Each as a PNG beside its FILE. Needs Chromium: on the PATH, or as CHROMIUM_PATH.',
    takes: { value: 'FILE', what: 'file of figures', many: true },
    options: {},
    async run(_values, files) {
      if (files.length === 0) throw new Misuse('which figures? such as docs/studies/learning.json')
      for (const file of files) console.log(await draw(file, chartOf(JSON.parse(await readFile(file, 'utf8')))))
      return true
    },
  }),
]

async function turnRound(options: { steps: number; seed: number; model: string; json?: string }): Promise<boolean> {
  const { steps, model: modelDir, seed, json: file } = options
  const progress = openProgress(1, () => 'a crowd that turns round')
  const onStep = (step: number): void => progress.report(0, step / steps, `step ${step} of ${steps}`)
  const result = await turnaround({ modelDir, steps, seed, onStep }).finally(progress.stop)
  console.log(`\n${turnaroundText(result)}`)
  await write(file, result, turnaroundChart(result))
  return allHold(result)
}

interface LiveTurn {
  seconds: number
  then: number
  raters: number
  seed: number
  json?: string
}

async function turnRoundLive({
  seconds: honestSeconds,
  then: adverseSeconds,
  json: file,
  ...rest
}: LiveTurn): Promise<boolean> {
  const { raters, seed } = rest
  const result = await liveTurnaround({ raters, seed, honestSeconds, adverseSeconds })
  console.log(`\n${liveTurnaroundText(result)}`)
  await write(file, result)
  return allHold(result)
}

const allHold = ({ criteria }: { criteria: readonly { holds: boolean }[] }): boolean =>
  criteria.every(({ holds }) => holds)

/** The figures first: they took longer than the chart. */
async function write(file: string | undefined, figures: object, chart?: Chart): Promise<void> {
  if (file === undefined) return
  const all = { at: new Date().toISOString(), machine: machine(), ...figures }
  await writeFile(file, `${JSON.stringify(all, null, 2)}\n`)
  if (chart) await draw(file, chart)
}

/** Beside the file of its figures; resolves to the path. */
async function draw(file: string, chart: Chart): Promise<string> {
  // The drawing code takes long to load, and help needs none of it.
  const [{ drawChart }, { findChromium }] = await Promise.all([import('./chart.ts'), import('./chromium.ts')])
  const chromium = findChromium(process.env)
  if (chromium === null)
    throw new Misuse(
      `curves are drawn by Chromium, and there is none: set CHROMIUM_PATH, and then npm run study -- draw ${file}`,
    )
  const picture = file.replace(/(\.json)?$/, '.png')
  await writeFile(picture, await drawChart(chart, chromium))
  return picture
}

const held = await main(
  group({
    name: 'npm run study --',
    summary: 'what voting does to a model, judged by a hidden oracle that the trainer never sees',
    detail:
      'A study that starts an instance lets simulated raters vote on it through real sockets. Exit code 1: it did not find what it should.',
    noun: 'study',
    commands,
  }),
  (error) => {
    console.error(error instanceof Stopped ? error.message : error)
    // A crowd that was cut short may still be trying to reconnect.
    process.exit(error instanceof Stopped ? 130 : 1)
  },
)
if (held === false) process.exitCode = 1
