/**
 * `npm run bench [-- trainer | lora | latency | rooms | gas]`: how fast the trainer computes, how fast votes travel,
 * what a full room costs, and what the chain is paid.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Stopped } from '../study/instance.ts'
import { machine } from '../study/machine.ts'
import { benchGas, gasText } from './gas.ts'
import { benchLatency, latencyText } from './latency.ts'
import { benchLora, loraText } from './lora.ts'
import { benchRooms, roomsText } from './rooms.ts'
import { benchTrainer, trainerText } from './trainer.ts'

const usage = `npm run bench [-- [trainer] [lora] [latency] [rooms] [gas] [--seconds 60] [--repeats 5] [--peer torch [--python python3]]
                   [--fan-out tick|vote] [--json FILE]]

trainer  tokens a second and memory of sampling and of training, at three sizes, of every engine and of PyTorch
lora     tokens a second and memory of a PPO step with adapters on a model of GPT-2's 124M shape
latency  vote to acknowledgement and vote to gradient, on a throw-away instance under a simulated crowd
rooms    100, 500 and 1,000 voters in a room at 20 and 100 votes a second, beside a bare Socket.IO server that tells its
         room once a tick, as Attune does, or with --fan-out vote of every vote; about five minutes
gas      what an epoch, a claim and a single vote cost on chain`

const benches = ['trainer', 'lora', 'latency', 'rooms', 'gas'] as const
type Bench = (typeof benches)[number]
const isBench = (name: string): name is Bench => benches.some((bench) => bench === name)

class Misuse extends Error {}

function parse() {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { ...text, default: '60' },
        repeats: { ...text, default: '5' },
        peer: text,
        python: { ...text, default: 'python3' },
        'fan-out': { ...text, default: 'tick' },
        json: text,
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error))
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Misuse(`--${name} is a whole number from 1 on`)
  return value
}

/** What is being measured goes to the error output, so that the tables can be kept. */
const say = (doing: string): void => console.error(`… ${doing}`)

async function main(): Promise<void> {
  const { values, positionals } = parse()
  if (values.help) return void console.log(usage)
  const wanted = positionals.map((name) => {
    if (!isBench(name)) throw new Misuse(`there is no bench ${name}`)
    return name
  })
  const seconds = whole('seconds', values.seconds)
  const repeats = whole('repeats', values.repeats)
  if (values.peer !== undefined && values.peer !== 'torch')
    throw new Misuse(`there is no peer ${values.peer}; there is torch`)
  const fanOut = values['fan-out']
  if (fanOut !== 'tick' && fanOut !== 'vote') throw new Misuse('--fan-out is tick or vote')
  const torch = values.peer === undefined ? null : values.python
  const run = async <T>(
    bench: Bench,
    measure: () => Promise<T>,
    print: (result: T) => string,
  ): Promise<{ [name: string]: T }> => {
    if (wanted.length > 0 && !wanted.includes(bench)) return {}
    const result = await measure()
    console.log(`\n${print(result)}`)
    return { [bench]: result }
  }
  const before = machine()
  console.log(
    Object.entries(before)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  )
  const figures = {
    at: new Date().toISOString(),
    machine: before,
    ...(await run('trainer', () => benchTrainer({ repeats, torch }), trainerText)),
    ...(await run('lora', () => benchLora(say), loraText)),
    ...(await run('latency', () => benchLatency(seconds, say), latencyText)),
    ...(await run('rooms', () => benchRooms(say, { fanOut }), roomsText)),
    ...(await run('gas', () => benchGas(say), gasText)),
  }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`)
}

main().catch((error: unknown) => {
  if (error instanceof Misuse) console.error(`${error.message}\n\n${usage}`)
  else console.error(error instanceof Stopped ? error.message : error)
  // A crowd that was cut short may still be trying to reconnect.
  process.exit(error instanceof Stopped ? 130 : 1)
})
