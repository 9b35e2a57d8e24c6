/** `npm run crowd -- --session demo --raters 12 --seconds 180`: simulated raters on a running Attune. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { RestError } from './account.ts'
import { runCrowd } from './crowd.ts'
import type { CrowdOptions, Progress } from './options.ts'
import { progressLines, reportLines } from './print.ts'

const usage = `npm run crowd -- [--session demo] [--raters 12] [--seconds 180] [--adversaries 0.3] [--seed 1]
                [--votes oracle|random] [--url http://localhost:3001] [--json FILE]

Simulated raters join a session over real sockets and vote by the hidden oracle plus noise, paced like
people. --adversaries is the share of them that votes the opposite.`

function parse(args: string[]): CrowdOptions & { json: string | undefined } {
  const { values } = parseArgs({
    args,
    options: {
      session: { type: 'string', default: 'demo' },
      raters: { type: 'string', default: '12' },
      seconds: { type: 'string', default: '180' },
      adversaries: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      votes: { type: 'string', default: 'oracle' },
      url: { type: 'string', default: 'http://localhost:3001' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  const { votes } = values
  if (votes !== 'oracle' && votes !== 'random') throw new Misuse('--votes is oracle or random')
  return {
    url: values.url,
    session: values.session,
    raters: within('--raters', values.raters, 1, 1_000),
    seconds: within('--seconds', values.seconds, 1, 86_400),
    adversaries: within('--adversaries', values.adversaries, 0, 1),
    seed: within('--seed', values.seed, 0, 2 ** 31),
    votes,
    json: values.json,
  }
}

class Misuse extends Error {}

function within(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= least && value <= most))
    throw new Misuse(`${name} is a number from ${least} to ${most}`)
  return value
}

/** Redraws a few lines on a terminal; elsewhere writes one line every ten seconds. */
function liveTable(): (progress: Progress) => void {
  let drawn = 0
  let next = 0
  return (progress) => {
    const lines = progressLines(progress)
    if (process.stdout.isTTY) {
      const up = drawn === 0 ? '' : `\x1b[${drawn}A`
      process.stdout.write(
        `${up}${lines.map((line) => `\x1b[2K${line.slice(0, process.stdout.columns || 120)}\n`).join('')}`,
      )
      drawn = lines.length
    } else if (progress.elapsed >= next) {
      process.stdout.write(`${lines.map((line) => line.trim()).join(' | ')}\n`)
      next = progress.elapsed + 10
    }
  }
}

try {
  const { json, ...options } = parse(process.argv.slice(2))
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  const report = await runCrowd({ ...options, signal: stop.signal, onProgress: liveTable() })
  process.stdout.write(`${reportLines(report).join('\n')}\n`)
  if (json !== undefined) {
    const { votes: _votes, ...figures } = report
    await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`)
  }
} catch (error) {
  // parseArgs throws a TypeError with a code for an unknown option.
  const misused = error instanceof Misuse || (error instanceof TypeError && 'code' in error)
  if (!misused && !(error instanceof RestError)) throw error
  process.stderr.write(`${error.message}\n${misused ? `\n${usage}\n` : ''}`)
  process.exitCode = 1
}
