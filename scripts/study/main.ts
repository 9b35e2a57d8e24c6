/** `npm run study -- learning | one-rater | hacking | algorithms | turnaround`: what voting does to a policy. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ALGORITHMS, algorithms, algorithmsChart, algorithmsText, improves, runLine } from './algorithms.ts'
import { hacking, hackingChart, hackingText } from './hacking.ts'
import { Stopped } from './instance.ts'
import { learning, learningChart, learningText } from './learning.ts'
import { machine } from './machine.ts'
import { oneRater, oneRaterText } from './one-rater.ts'
import { openProgress } from './progress.ts'
import { turnaround, turnaroundChart, turnaroundText } from './turnaround.ts'
import { liveTurnaround, liveTurnaroundText } from './turnaround-live.ts'

const usage = `npm run study -- learning   [--seeds 3] [--seconds 180] [--raters 12] [--json FILE]
npm run study -- one-rater  [--votes 50] [--seed 1] [--json FILE]
npm run study -- hacking    [--seconds 480] [--raters 12] [--seed 1] [--length-bonus 0.3] [--json FILE]
npm run study -- algorithms [--seeds 5] [--steps 12] [--model models/demo] [--json FILE]
npm run study -- turnaround [--steps 60] [--seed 1] [--model models/demo] [--json FILE]
npm run study -- turnaround --live [--seconds 200] [--then 300] [--raters 12] [--seed 1] [--json FILE]

The first three start a throw-away instance of the whole system, let simulated raters vote on it through
real sockets, and have a hidden oracle judge the policy's answers to held-out prompts before and after.
hacking gives one of two runs a reward that length alone can raise, and looks whether that is seen.
algorithms lets PPO, GRPO and DPO learn from the same kind of votes, without an instance.
turnaround, without one too, lets a crowd change its mind halfway, and looks whether the model follows;
with --live it asks an instance: one crowd votes for --seconds, and another against it for --then.
--json writes the figures; all but one-rater and --live draw their curves as a PNG beside them.`

class Misuse extends Error {}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) throw new Misuse(`--${name} is a whole number from ${least} on`)
  return value
}

function parse() {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seeds: text,
        seconds: text,
        then: { ...text, default: '300' },
        live: { type: 'boolean', default: false },
        raters: { ...text, default: '12' },
        votes: { ...text, default: '50' },
        seed: { ...text, default: '1' },
        'length-bonus': { ...text, default: '0.3' },
        steps: text,
        model: { ...text, default: 'models/demo' },
        json: text,
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error))
  }
}

async function write(file: string | undefined, figures: object, chart?: Buffer): Promise<void> {
  if (file === undefined) return
  await writeFile(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine: machine(), ...figures }, null, 2)}\n`,
  )
  if (chart) await writeFile(file.replace(/(\.json)?$/, '.png'), chart)
}

/** Each prints what it found, and resolves to whether it found what it should. */
const studies: Readonly<Record<string, (values: ReturnType<typeof parse>['values']) => Promise<boolean>>> = {
  async learning({ seeds = '3', seconds = '180', raters, json }) {
    const result = await learning({
      seeds: whole('seeds', seeds, 1),
      seconds: whole('seconds', seconds, 1),
      raters: whole('raters', raters, 1),
      onVerdict: (lines) => console.log(`\n${lines.join('\n')}`),
    })
    console.log(`\n${learningText(result)}`)
    await write(json, result, learningChart(result))
    return result.criteria.every(({ holds }) => holds)
  },
  async 'one-rater'({ votes, seed, json }) {
    const result = await oneRater({ votes: whole('votes', votes, 1), seed: whole('seed', seed, 0) })
    console.log(`\n${oneRaterText(result)}`)
    await write(json, result)
    return result.measurable
  },
  async hacking({ seconds = '480', raters, seed, json, 'length-bonus': bonus }) {
    const lengthBonus = Number(bonus)
    if (!(lengthBonus > 0 && lengthBonus <= 1)) throw new Misuse('--length-bonus is above 0 and at most 1')
    const result = await hacking({
      seconds: whole('seconds', seconds, 1),
      raters: whole('raters', raters, 1),
      seed: whole('seed', seed, 0),
      lengthBonus,
    })
    console.log(`\n${hackingText(result)}`)
    await write(json, result, hackingChart(result))
    return result.criteria.every(({ holds }) => holds)
  },
  async algorithms({ model, seeds = '5', steps = '12', json }) {
    const result = await algorithms({
      modelDir: model,
      seeds: whole('seeds', seeds, 1),
      steps: whole('steps', steps, 1),
      onRun: (run) => console.log(`\n${runLine(run)}`),
    })
    console.log(`\n${algorithmsText(result)}`)
    await write(json, result, algorithmsChart(result))
    return ALGORITHMS.every((algorithm) => improves(result, algorithm))
  },
  async turnaround({ model, steps = '60', seed, json, live, seconds = '200', then, raters }) {
    if (live) {
      const result = await liveTurnaround({
        raters: whole('raters', raters, 1),
        seed: whole('seed', seed, 0),
        honestSeconds: whole('seconds', seconds, 1),
        adverseSeconds: whole('then', then, 1),
      })
      console.log(`\n${liveTurnaroundText(result)}`)
      await write(json, result)
      return result.criteria.every(({ holds }) => holds)
    }
    const count = whole('steps', steps, 2)
    const progress = openProgress(1, () => 'a crowd that turns round')
    const onStep = (step: number): void => progress.report(0, step / count, `step ${step} of ${count}`)
    const result = await turnaround({ modelDir: model, steps: count, seed: whole('seed', seed, 0), onStep }).finally(
      progress.stop,
    )
    console.log(`\n${turnaroundText(result)}`)
    await write(json, result, turnaroundChart(result))
    return result.criteria.every(({ holds }) => holds)
  },
}

async function main(): Promise<void> {
  const { values, positionals } = parse()
  if (values.help) return console.log(usage)
  const [name, ...rest] = positionals
  if (rest.length > 0) throw new Misuse(`one study at a time, not ${positionals.join(' ')}`)
  if (name === undefined) throw new Misuse('which study?')
  if (!Object.hasOwn(studies, name)) throw new Misuse(`there is no study ${name}`)
  if (!(await studies[name](values))) process.exitCode = 1
}

main().catch((error: unknown) => {
  if (error instanceof Misuse) console.error(`${error.message}\n\n${usage}`)
  else console.error(error instanceof Stopped ? error.message : error)
  // A crowd that was cut short may still be trying to reconnect.
  process.exit(error instanceof Stopped ? 130 : 1)
})
