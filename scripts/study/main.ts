/** `npm run study -- learning | one-rater | hacking`: what voting does to a policy, measured on a throw-away instance. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { hacking, hackingChart, hackingText } from './hacking.ts'
import { Stopped } from './instance.ts'
import { learning, learningChart, learningText } from './learning.ts'
import { machine } from './machine.ts'
import { oneRater, oneRaterText } from './one-rater.ts'

const usage = `npm run study -- learning  [--seeds 3] [--seconds 180] [--raters 12] [--json FILE]
npm run study -- one-rater [--votes 50] [--seed 1] [--json FILE]
npm run study -- hacking   [--seconds 300] [--raters 12] [--seed 1] [--length-bonus 0.3] [--json FILE]

Each starts a throw-away instance of the whole system, lets simulated raters vote on it through real
sockets, and has a hidden oracle judge the policy's answers to held-out prompts before and after.
hacking gives one of two runs a reward that length alone can raise, and looks whether that is seen.
--json writes the figures; learning and hacking draw their curves as a PNG beside them.`

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
        seeds: { ...text, default: '3' },
        seconds: text,
        raters: { ...text, default: '12' },
        votes: { ...text, default: '50' },
        seed: { ...text, default: '1' },
        'length-bonus': { ...text, default: '0.3' },
        json: text,
      },
    })
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error))
  }
}

async function write(file: string | undefined, figures: object, chart?: Buffer): Promise<void> {
  if (file === undefined) return
  await writeFile(file, `${JSON.stringify({ at: new Date().toISOString(), machine: machine(), ...figures }, null, 2)}\n`)
  if (chart) await writeFile(file.replace(/(\.json)?$/, '.png'), chart)
}

async function main(): Promise<void> {
  const { values, positionals } = parse()
  const [study, ...rest] = positionals
  if (rest.length > 0) throw new Misuse(`one study at a time, not ${positionals.join(' ')}`)
  if (study === 'learning') {
    const { seeds, seconds = '180', raters } = values
    const result = await learning({ seeds: whole('seeds', seeds, 1), seconds: whole('seconds', seconds, 1), raters: whole('raters', raters, 1), onVerdict: (lines) => console.log(`\n${lines.join('\n')}`) })
    console.log(`\n${learningText(result)}`)
    await write(values.json, result, learningChart(result))
    if (result.criteria.some(({ holds }) => !holds)) process.exitCode = 1
  } else if (study === 'one-rater') {
    const result = await oneRater({ votes: whole('votes', values.votes, 1), seed: whole('seed', values.seed, 0) })
    console.log(`\n${oneRaterText(result)}`)
    await write(values.json, result)
    if (!result.measurable) process.exitCode = 1
  } else if (study === 'hacking') {
    const { seconds = '300', raters, seed } = values
    const lengthBonus = Number(values['length-bonus'])
    if (!(lengthBonus > 0 && lengthBonus <= 1)) throw new Misuse('--length-bonus is above 0 and at most 1')
    const result = await hacking({ seconds: whole('seconds', seconds, 1), raters: whole('raters', raters, 1), seed: whole('seed', seed, 0), lengthBonus })
    console.log(`\n${hackingText(result)}`)
    await write(values.json, result, hackingChart(result))
    if (result.criteria.some(({ holds }) => !holds)) process.exitCode = 1
  } else {
    throw new Misuse(study === undefined ? 'which study?' : `there is no study ${study}`)
  }
}

main().catch((error: unknown) => {
  if (error instanceof Misuse) console.error(`${error.message}\n\n${usage}`)
  else console.error(error instanceof Stopped ? error.message : error)
  // A crowd that was cut short may still be trying to reconnect.
  process.exit(error instanceof Stopped ? 130 : 1)
})
