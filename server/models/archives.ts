/**
 * A model as one archive. A download's id encodes all that it depends on, and its archive is under DOWNLOADS_PATH by
 * that name. There is no other state: if a server died while packing, the next request starts over.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isolated } from '../../lm/isolated/isolated.ts'
import { compressions, type Packing } from '../../lm/files/archive.ts'
import { ifThere } from '../../lm/files/disk.ts'
import { formatNames, formats } from '../../lm/files/formats/index.ts'
import type { Deps, Downloads } from '../deps.ts'
import { AttuneError } from '../../core/errors.ts'
import { directoryOf } from './models.ts'

type Needs = Pick<Deps, 'pool' | 'models' | 'log'>

/** Assumed throughput for estimating the time, bytes per second. */
const PACK_SPEED = 50e6

/** Formats that clients know but that are not written here. */
const foreign = ['pytorch', 'tensorflow', 'onnx', 'gguf'] as const

/** A model as one archive: a tar of the format's files. */
export const DownloadRequest = z
  .object({
    format: z
      .enum([...formatNames, ...foreign])
      .default('huggingface')
      .refine(
        (format): format is (typeof formatNames)[number] => format in formats,
        `models are packed as ${formatNames.join(' or ')}, which the other formats’ own tools read`,
      ),
    precision: z
      .enum(['fp32', 'fp16', 'int8', 'int4'])
      .default('fp32')
      .refine(
        (precision): precision is 'fp32' | 'fp16' => precision === 'fp32' || precision === 'fp16',
        'fp32 or fp16: quantise the archive with a tool of your choice',
      ),
    compression: z.enum(compressions).default('none'),
    includeOptimizer: z.literal(false, 'a model has no optimizer state: its run’s checkpoint has').default(false),
    includeScheduler: z.literal(false, 'a model has no scheduler state: its run’s checkpoint has').default(false),
    purpose: z.string().max(2_000).optional(),
  })
  .refine(({ format, precision }) => (formats[format]?.precisions ?? [precision]).includes(precision), {
    path: ['precision'],
    message: 'the format has no such precision',
  })
type Wanting = Pick<Packing, 'format' | 'precision' | 'compression'>

/** All that an archive depends on, as its id; the format is part of it unless it is the first one. */
export const downloadIdOf = (modelId: string, { format, precision, compression }: Wanting): string =>
  [modelId, ...(format === formatNames[0] ? [] : [format]), precision, compression].join(':')

export function openDownloads(deps: Needs, downloadsPath: string): Downloads {
  /** Archives that are being packed, or whose packing failed. */
  const working = new Map<string, { done: Promise<void>; failure: string | null }>()

  function begin(id: string, wanted: Wanted): void {
    const entry = { failure: null as string | null, done: Promise.resolve() }
    entry.done = packModel(wanted, downloadsPath).then(
      () => void working.delete(id),
      (error: unknown) => {
        entry.failure = error instanceof Error ? error.message : String(error)
        deps.log.warn({ err: error, downloadId: id }, 'a model could not be packed')
      },
    )
    working.set(id, entry)
  }

  return {
    async ask(downloadId) {
      const wanted = await wantedBy(deps, downloadId)
      const ready = await findPacked(wanted, downloadsPath)
      if (ready)
        return {
          downloadId,
          status: 'ready',
          estimatedTime: 0,
          url: `/api/weights/downloads/${encodeURIComponent(downloadId)}/file`,
          ...ready,
          error: null,
        }
      const failure = working.get(downloadId)?.failure ?? null
      // Whoever is told of a failure may ask again, and it is retried.
      if (failure !== null) working.delete(downloadId)
      else if (!working.has(downloadId)) begin(downloadId, wanted)
      const estimatedTime = failure === null ? Math.ceil(wanted.bytes / PACK_SPEED) : 0
      return {
        downloadId,
        status: failure === null ? 'preparing' : 'failed',
        estimatedTime,
        url: null,
        sha256: null,
        bytes: null,
        error: failure,
      }
    },
    async file(downloadId) {
      const wanted = await wantedBy(deps, downloadId)
      if (!(await findPacked(wanted, downloadsPath)))
        throw new AttuneError('conflict', 'this download is not packed: ask for its status until it is ready')
      return join(downloadsPath, wanted.name)
    },
    async close() {
      await Promise.all([...working.values()].map(({ done }) => done))
    },
  }
}

interface Wanted extends Wanting {
  directory: string
  /** Of the archive under DOWNLOADS_PATH: it changes with the model's files. */
  name: string
  /** Of the model's files. */
  bytes: number
}

async function wantedBy(deps: Needs, downloadId: string): Promise<Wanted> {
  const parts = downloadId.split(':')
  if (parts.length === 3) parts.splice(1, 0, formatNames[0])
  const [modelId = '', format, precision, compression] = parts
  const request = DownloadRequest.safeParse({ format, precision, compression })
  if (!request.success || parts.length !== 4) throw new AttuneError('not-found', `there is no download ${downloadId}`)
  const directory = await directoryOf(deps, modelId)
  const files = await Promise.all((await readdir(directory)).map((file) => stat(join(directory, file))))
  const version = createHash('sha256')
    .update(
      files
        .map(({ size, mtimeMs }) => `${size} ${mtimeMs}`)
        .sort()
        .join('\n'),
    )
    .digest('hex')
    .slice(0, 16)
  const { data } = request
  const kind = [modelId, ...(data.format === formatNames[0] ? [] : [data.format]), data.precision, version].join('-')
  const name = `${kind}.tar${EXTENSIONS[data.compression]}`
  return {
    directory,
    format: data.format,
    precision: data.precision,
    compression: data.compression,
    name,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  }
}

const EXTENSIONS = { none: '', gzip: '.gz', brotli: '.br' } as const

const Packed = z.object({ sha256: z.string(), bytes: z.number() })

/** An archive's metadata is in a file beside it, which is written last. */
async function findPacked({ name }: Wanted, downloadsPath: string): Promise<z.infer<typeof Packed> | null> {
  const text = await ifThere(readFile(join(downloadsPath, `${name}.json`), 'utf8'))
  return text === null ? null : Packed.parse(JSON.parse(text))
}

async function packModel({ bytes: _, ...wanted }: Wanted, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await clear(folder)
  await isolated('pack', { ...wanted, folder })
}

/** Archives, and leftovers of a server that died while packing, are kept for this many days. */
const KEPT_DAYS = 14

async function clear(downloadsPath: string): Promise<void> {
  for (const name of await readdir(downloadsPath)) {
    const left = await ifThere(stat(join(downloadsPath, name)))
    if (left && Date.now() - left.mtimeMs > KEPT_DAYS * 86_400_000)
      await rm(join(downloadsPath, name), { recursive: true, force: true })
  }
}
