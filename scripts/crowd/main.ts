/** `npm run crowd -- --session demo --raters 12 --seconds 180`: simulated raters on a running Attune. */
import { writeFile } from 'node:fs/promises'
import { command, main } from '../cli/command.ts'
import { number, oneOf, text, whole } from '../cli/options.ts'
import { RestError } from './account.ts'
import { runCrowd } from './crowd.ts'
import type { Progress } from './options.ts'
import { progressLines, reportLines } from './print.ts'

const crowd = command({
  name: 'npm run crowd --',
  summary: 'lets simulated raters vote in a running session',
  detail:
    'They join over real sockets and vote by the hidden oracle plus noise, paced like people. More than 300 from one machine need MAX_SOCKETS_PER_ADDRESS.',
  options: {
    session: text('ID', 'the session that they join').or('demo'),
    raters: whole('COUNT', 'how many they are', { least: 1, most: 1_000 }).or(12),
    seconds: number('SECONDS', 'how long they vote', { least: 1, most: 86_400 }).or(180),
    adversaries: number('SHARE', 'share of them, 0 to 1, that votes the opposite', { least: 0, most: 1 }).or(0),
    seed: whole('SEED', 'what they do follows from it', { least: 0, most: 2 ** 31 }).or(1),
    votes: oneOf('BY', 'what they vote by', ['oracle', 'random']).or('oracle'),
    url: text('URL', 'where Attune runs').or('http://localhost:3001'),
    json: text('FILE', 'writes the figures there').optional(),
  },
  async run({ json, ...options }) {
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    process.once('SIGTERM', () => stop.abort())
    const report = await runCrowd({ ...options, signal: stop.signal, onProgress: liveTable() })
    process.stdout.write(`${reportLines(report).join('\n')}\n`)
    if (json !== undefined) {
      const { votes: _votes, ...figures } = report
      await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`)
    }
  },
})

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

await main(crowd, (error) => console.error(error instanceof RestError ? error.message : error))
