/**
 * `npm run bench [-- trainer | lora | reward | latency | rooms | gas]`: how fast the trainer computes, how fast votes travel,
 * what a full room costs, and what the chain costs.
 */
import { writeFile } from 'node:fs/promises'
import { command, group, main } from '../cli/command.ts'
import { choiceOf, oneOf, text, whole } from '../cli/options.ts'
import { Stopped } from '../study/instance.ts'
import { machine } from '../study/machine.ts'
import { benchGas, gasText } from './gas.ts'
import { benchLatency, latencyText } from './latency.ts'
import { benchLora, loraText } from './lora.ts'
import { benchReward, rewardText } from './reward.ts'
import { benchRooms, roomsText } from './rooms.ts'
import { benchTrainer, trainerText } from './trainer.ts'

/** Progress goes to standard error, so that the tables can be redirected. */
const say = (doing: string): void => console.error(`… ${doing}`)

const options = {
  repeats: whole('TIMES', 'how often each speed of the trainer is measured', { least: 1 }).or(5),
  peer: oneOf('NAME', 'measures it, too, on the same work', ['torch']).optional(),
  python: text('COMMAND', 'a Python that has torch and transformers').or('python3'),
  seconds: whole('SECONDS', 'how long people vote while the trainer works', { least: 1 }).or(60),
  fanOut: oneOf('WHEN', 'the bare server tells its room: once a tick, as Attune does, or of every vote', [
    'tick',
    'vote',
  ]).or('tick'),
  json: text('FILE', 'writes the figures there').optional(),
}
const { repeats, peer, python, seconds, fanOut, json } = options

interface Given {
  repeats: number
  peer?: 'torch'
  python: string
  seconds: number
  fanOut: 'tick' | 'vote'
}

/** Each measures, prints its table and resolves to its figures. */
const benches = {
  trainer: async (given: Pick<Given, 'repeats' | 'peer' | 'python'>) =>
    shown(
      await benchTrainer({ repeats: given.repeats, torch: given.peer === undefined ? null : given.python }),
      trainerText,
    ),
  lora: async () => shown(await benchLora(say), loraText),
  reward: async () => shown({ figures: benchReward(say) }, ({ figures }) => rewardText(figures)),
  latency: async (given: Pick<Given, 'seconds'>) => shown(await benchLatency(given.seconds, say), latencyText),
  rooms: async (given: Pick<Given, 'fanOut'>) => shown(await benchRooms(say, { fanOut: given.fanOut }), roomsText),
  gas: async () => shown(await benchGas(say), gasText),
}
type Bench = keyof typeof benches
const names: readonly Bench[] = ['trainer', 'lora', 'reward', 'latency', 'rooms', 'gas']

function shown<T>(figures: T, print: (figures: T) => string): T {
  console.log(`\n${print(figures)}`)
  return figures
}

const commands = [
  command({
    name: 'all',
    summary: 'all of them, or those that are named',
    takes: { value: 'BENCH', what: `some of ${names.join(', ')}`, many: true },
    options,
    async run({ json: file, ...given }, wanted) {
      const chosen = wanted.length === 0 ? names : wanted.map((name) => choiceOf('a bench', name, names))
      await measured(
        file,
        names.filter((name) => chosen.includes(name)),
        (name) => benches[name](given),
      )
    },
  }),
  command({
    name: 'trainer',
    summary: 'tokens a second and memory of sampling and of training',
    detail: 'At three sizes, of every engine, and of PyTorch with --peer torch --python COMMAND.',
    options: { repeats, peer, python, json },
    run: ({ json: file, ...given }) => measured(file, ['trainer'], () => benches.trainer(given)),
  }),
  command({
    name: 'lora',
    summary: 'tokens a second and memory of a PPO step with adapters on a model of GPT-2’s 124M shape',
    options: { json },
    run: ({ json: file }) => measured(file, ['lora'], benches.lora),
  }),
  command({
    name: 'reward',
    summary: 'what fitting the reward model and asking it cost',
    detail: 'At 50, 500 and 1,500 votes, for the demo model and for one of width 2,048.',
    options: { json },
    run: ({ json: file }) => measured(file, ['reward'], benches.reward),
  }),
  command({
    name: 'latency',
    summary: 'vote to acknowledgement and vote to gradient',
    detail: 'On a throw-away instance under a simulated crowd.',
    options: { seconds, json },
    run: ({ json: file, ...given }) => measured(file, ['latency'], () => benches.latency(given)),
  }),
  command({
    name: 'rooms',
    summary: '100, 500 and 1,000 voters in a room, beside a bare Socket.IO server',
    detail: 'At 20 and 100 votes a second, on a throw-away instance; about five minutes.',
    options: { fanOut, json },
    run: ({ json: file, ...given }) => measured(file, ['rooms'], () => benches.rooms(given)),
  }),
  command({
    name: 'gas',
    summary: 'what an epoch, a claim and a single vote cost on chain',
    options: { json },
    run: ({ json: file }) => measured(file, ['gas'], benches.gas),
  }),
]

/** Runs one measurement after the other, and keeps the figures in `file`. */
async function measured(
  file: string | undefined,
  chosen: readonly Bench[],
  measure: (name: Bench) => Promise<object>,
): Promise<void> {
  const before = machine()
  console.log(
    Object.entries(before)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  )
  const figures: Partial<Record<Bench, object>> = {}
  for (const name of chosen) figures[name] = await measure(name)
  const all = { at: new Date().toISOString(), machine: before, ...figures }
  if (file !== undefined) await writeFile(file, `${JSON.stringify(all, null, 2)}\n`)
}

/** `trainer gas` becomes `all trainer gas`. */
const several = (args: readonly string[]): readonly string[] =>
  args.filter((arg) => names.some((name) => name === arg)).length > 1 && args[0] !== 'all' ? ['all', ...args] : args

await main(
  group({
    name: 'npm run bench --',
    summary: 'how fast the trainer computes, how fast votes travel, what a full room costs, and what the chain is paid',
    detail: 'Without a name it measures all, one after another; several may be named.',
    noun: 'bench',
    commands,
    otherwise: 'all',
  }),
  (error) => {
    console.error(error instanceof Stopped ? error.message : error)
    // A crowd that was cut short may still be trying to reconnect.
    process.exit(error instanceof Stopped ? 130 : 1)
  },
  several(process.argv.slice(2)),
)
