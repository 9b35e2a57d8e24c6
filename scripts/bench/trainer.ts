/**
 * Tokens a second and memory of sampling and of a full training step, at three sizes, for every available engine and,
 * when requested, for PyTorch on the same work. Each figure comes from a process of its own, one after another, with
 * its ratio to the default engine's beside it: on a machine that other programs load, only the ratios mean something.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Device } from '../../lm/engines/engine.ts'
import { openProgress } from '../study/progress.ts'
import { table } from '../study/table.ts'
import type { Job } from './trainer-run.ts'
import { CASES, LEAST_SECONDS, lessened, PROMPT_TOKENS, tokensOf, type Shape, type Work } from './trainer-shapes.ts'

const Speed = z.object({ tokensPerSecond: z.number(), peakMiB: z.number() })
type Speed = z.infer<typeof Speed>

export interface Figure {
  model: string
  work: Work
  by: string
  /** Of one pass; the speed is the median pass's. */
  tokens: number
  /** Or why it was not measured. */
  result: Speed | string
}

export interface TrainerBench {
  figures: Figure[]
  /** Of the 1024³ matrix product. */
  gigaflops: number
  /** What else could have been measured, and why it wasn't. */
  notes: string[]
}

export interface TrainerOptions {
  repeats: number
  /** The Python that has torch and transformers, to measure them too. */
  torch: string | null
}

/** The engine that does the work, and its device. Undefined if it has no such work. */
interface Runner {
  by: string
  measure: (work: Work, shape: Shape, repeats: number) => Promise<Speed> | undefined
  /** Its work at a size; null for nothing, as one pass would take many minutes. */
  share: (shape: Shape) => Shape | null
}

/** Timeout of a single figure, milliseconds. */
const PATIENCE_MS = 900_000

const whole = (shape: Shape): Shape => shape
const DEFAULT = 'onnxruntime cpu'

export async function benchTrainer({ repeats, torch }: TrainerOptions): Promise<TrainerBench> {
  const { device, why } = z
    .object({ device: z.enum(['cpu', 'webgpu', 'cuda']), why: z.string() })
    .parse(await inProcess({ kind: 'devices' }))
  const peer = torch === null ? { runners: [], notes: [] } : await torchRunners(torch)
  const runners: Runner[] = [
    { by: DEFAULT, share: whole, measure: ours({ onnx: 'cpu' }) },
    ...(device === 'cpu'
      ? []
      : [{ by: `onnxruntime ${device}`, share: whole, measure: ours({ onnx: device }) }, halves(device)]),
    ...(['wasm', 'cpu'] as const).map((backend): Runner => ({
      by: `TensorFlow.js ${backend}`,
      share: feasible,
      measure: (work, shape) => ours({ tfjs: backend })(work, shape, 1),
    })),
    ...peer.runners,
  ]
  const cells = CASES.flatMap(({ fewer, ...work }) =>
    runners.filter(({ share }) => !fewer || share === whole).map((runner) => ({ ...work, runner })),
  )
  const progress = openProgress(cells.length, (i) => `${i} of ${cells.length}`)
  const figures: Figure[] = []
  for (const [i, { model, shape, work, runner }] of cells.entries()) {
    progress.report(i, 0, `${work}, ${model}, ${runner.by}`)
    const share = runner.share(shape)
    const measuring = share && runner.measure(work, share, repeats)
    if (measuring)
      figures.push({ model, work, by: runner.by, tokens: tokensOf(share, work), result: await measuring.catch(reason) })
    else if (!share) figures.push({ model, work, by: runner.by, tokens: 0, result: 'one pass would take many minutes' })
  }
  progress.stop()
  const { gigaflops } = z.object({ gigaflops: z.number() }).parse(await inProcess({ kind: 'product' }))
  return {
    figures,
    gigaflops,
    notes: [...(device === 'cpu' ? [`onnxruntime on a GPU is not measured: ${why}`] : []), ...peer.notes],
  }
}

export function trainerText({ figures, gigaflops, notes }: TrainerBench): string {
  const count = (x: number) => x.toLocaleString('en', { maximumFractionDigits: x < 100 ? 1 : 0 })
  const nameOf = ({ model, work, by }: Figure) => `${work}, ${model}, ${by}`
  const rows = figures.flatMap((figure) => {
    const { model, work, tokens, result } = figure
    if (typeof result === 'string') return []
    const standard = figures.find(
      (other) => other.model === model && other.work === work && other.by === DEFAULT,
    )?.result
    const ratio = typeof standard === 'object' ? (standard.tokensPerSecond / result.tokensPerSecond).toFixed(2) : ''
    return [[nameOf(figure), count(tokens), count(result.tokensPerSecond), ratio, count(result.peakMiB)]]
  })
  const missing = figures.flatMap((figure) =>
    typeof figure.result === 'string' ? [`${nameOf(figure)} is not measured: ${figure.result}`] : [],
  )
  return [
    table(['', 'tokens a pass', 'tokens a second', `${DEFAULT} is … times as fast`, 'peak resident MiB'], rows),
    '',
    `a 1024³ matrix product: ${count(gigaflops)} GFLOP/s`,
    ...missing,
    ...notes,
  ].join('\n')
}

const ours = (engine: Extract<Job, { kind: 'speed' }>['engine']) => async (work: Work, shape: Shape, repeats: number) =>
  Speed.parse(await inProcess({ kind: 'speed', engine, shape, work, repeats }))

/** Sampling is float32 in either precision. */
const halves = (device: Device): Runner => ({
  by: `onnxruntime ${device} float16`,
  share: whole,
  measure: (work, shape, repeats) =>
    work === 'update' ? ours({ onnx: device, precision: 'float16' })(work, shape, repeats) : undefined,
})

const feasible = (shape: Shape): Shape | null => (shape.config.width > 256 ? null : lessened(shape))

async function torchRunners(python: string): Promise<{ runners: Runner[]; notes: string[] }> {
  const peer = fileURLToPath(new URL('torch_peer.py', import.meta.url))
  const ask = async (argument: string): Promise<unknown> =>
    lastLine(await promisify(execFile)(python, [peer, argument], { timeout: PATIENCE_MS }))
  const found = await ask('versions').catch(reason)
  const versions = z.object({ torch: z.string(), transformers: z.string() }).safeParse(found)
  if (!versions.success)
    return {
      runners: [],
      notes: [
        `torch is not measured: ${python} has no torch and transformers (${String(found)}); --python names another`,
      ],
    }
  const { torch, transformers } = versions.data
  const runner = (by: string, mode: string, does: Work): Runner => ({
    by,
    share: whole,
    measure: (work, shape, repeats) =>
      work === does
        ? ask(JSON.stringify({ mode, shape, repeats, leastSeconds: LEAST_SECONDS, promptTokens: PROMPT_TOKENS })).then(
            (speed) => Speed.parse(speed),
          )
        : undefined,
  })
  const runners = [
    runner('torch eager', 'eager', 'update'),
    runner('torch.compile', 'compiled', 'update'),
    runner('transformers generate', 'generate', 'sampling'),
  ]
  return { runners, notes: [`torch ${torch}, transformers ${transformers}`] }
}

async function inProcess(job: Job): Promise<unknown> {
  const script = fileURLToPath(new URL('trainer-run.ts', import.meta.url))
  return lastLine(
    await promisify(execFile)(process.execPath, ['--import', 'tsx', script, JSON.stringify(job)], {
      timeout: PATIENCE_MS,
    }),
  )
}

const lastLine = ({ stdout }: { stdout: string }): unknown => JSON.parse(stdout.trim().split('\n').at(-1) ?? '')

/** The last output of a process that failed. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('killed' in error && error.killed === true) return `it took more than ${PATIENCE_MS / 60_000} minutes`
  const said = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim().split('\n').at(-1) : ''
  return said || error.message
}
