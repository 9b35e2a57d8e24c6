/**
 * What a full room costs: 100 to 1,000 voters on real sockets, 20 to 800 votes a second, compared
 * with a bare Socket.IO server with the same fan-out in the same run, and with a nearly empty room.
 * Server, bare server and crowd are processes of their own; votes are sent when they are due,
 * whether the server keeps up or not. An answer streams meanwhile; the trainer waits, so that the
 * server alone is measured. On a machine that other programs load only the ratios mean something.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createLogins } from '../../server/auth/logins.ts'
import { createSeal } from '../../server/auth/seal.ts'
import type { Pool } from '../../core/db/pool.ts'
import { countStored } from '../../core/db/feedback.ts'
import { insertShown } from '../../core/db/samples.ts'
import { append, openRedis } from '../../core/events/log.ts'
import { insertUser } from '../../core/db/users.ts'
import { distribution, maxOf, type Distribution } from '../../core/statistics.ts'
import { withInstance } from '../study/instance.ts'
import { openProgress } from '../study/progress.ts'
import { table } from '../study/table.ts'
import { PIECE_MS, pieceOf, WATCHERS, type LoadJob, type LoadMessage, type LoadResult } from './rooms-job.ts'

export interface RoomFigure {
  sockets: number
  votesPerSecond: number
  server: 'attune' | 'bare'
  /** Milliseconds: from a vote to its acknowledgement, and to its crowd's value at another voter. */
  ack: Distribution
  seen: Distribution
  /** From a piece of an answer to a voter's screen; null if none was told. */
  text: Distribution | null
  /** Until everybody had joined, milliseconds. */
  joinMs: number
  messagesPerSocketPerSecond: number
  /** Of the server's memory, for each socket that joined; null if the system does not report it. */
  kibPerSocket: number | null
  /** Cores that the server kept busy during the voting; null if the system does not report it. */
  cores: number | null
  /**
   * Votes that were acknowledged and are not stored, that are stored twice, and that were refused; sockets that never
   * received the last count.
   */
  lost: number
  doubled: number
  refused: Record<string, number>
  unheard: number
}
export interface RoomsBench {
  fanOut: FanOut
  seconds: number
  figures: RoomFigure[]
}
/** How often the bare server notifies its room: as Attune does, or for every vote. */
export type FanOut = 'tick' | 'vote'

/** The nearly empty room first. */
const IDLE = { sockets: 2 * WATCHERS, votesPerSecond: 4 }
export const CELLS = [
  IDLE,
  ...[100, 1_000].flatMap((sockets) => [20, 200].map((votesPerSecond) => ({ sockets, votesPerSecond }))),
  // Where the next limit is.
  ...[400, 800].map((votesPerSecond) => ({ sockets: 1_000, votesPerSecond })),
]
const SAMPLES = 16
const SECONDS = 10
/** A session whose first voting never ends by itself, and whose trainer waits for votes that don't come. */
const FOREVER = { votingWindowSeconds: 3_600, minVotes: 1_000, minVotesPerStep: 1_000_000 }

export async function benchRooms(
  say: (doing: string) => void,
  {
    cells = CELLS,
    seconds = SECONDS,
    fanOut = 'tick',
  }: { cells?: typeof CELLS; seconds?: number; fanOut?: FanOut } = {},
): Promise<RoomsBench> {
  const secret = randomBytes(32).toString('hex')
  const most = maxOf(cells.map(({ sockets }) => sockets))
  say('starting an instance')
  return withInstance(
    { env: { JWT_SECRET: secret, MAX_SOCKETS_PER_ADDRESS: String(most) }, onTrouble: say },
    async ({ attune, pool, startSession, firstAnswers }) => {
      const session = await startSession((demo) => ({ ...demo, live: { ...demo.live, ...FOREVER, shownPerStep: 1 } }))
      await firstAnswers(session)
      say(`signing ${most} raters in`)
      const tokens = await tokensOf(pool, secret, most)
      const progress = openProgress(2 * cells.length, (i) => `${i} of ${2 * cells.length}`)
      const figures: RoomFigure[] = []
      try {
        for (const { sockets, votesPerSecond } of cells) {
          for (const server of ['bare', 'attune'] as const) {
            const name = `${sockets} sockets, ${votesPerSecond} votes/s, ${server}`
            const bare = server === 'bare' ? await startBare(fanOut) : null
            const samples = bare
              ? Array.from({ length: SAMPLES }, () => randomUUID())
              : await addSamples(pool, session.id)
            const pid = bare?.child.pid ?? attune.pids().server
            const job: LoadJob = {
              url: bare?.url ?? attune.url,
              sessionId: session.id,
              tokens: tokens.slice(0, sockets),
              samples,
              votesPerSecond,
              seconds,
            }
            const talking = bare ? null : await talk(attune.redisUrl, session.id)
            const { result, usage } = await load(job, pid, (done) => progress.report(figures.length, done, name))
            talking?.stop()
            const stored = bare ? { lost: 0, doubled: 0 } : await check(pool, samples, result.ackedIds)
            const { ackMs, seenMs, textMs, ackedIds: _ids, ...rest } = result
            figures.push({
              sockets,
              votesPerSecond,
              server,
              ack: measured(ackMs),
              seen: measured(seenMs),
              text: distribution(textMs),
              ...rest,
              ...usage,
              ...stored,
            })
            bare?.child.kill()
          }
        }
      } finally {
        progress.stop()
      }
      return { fanOut, seconds, figures }
    },
  )
}

export function roomsText({ figures, fanOut, seconds }: RoomsBench): string {
  const ms = (x: number) => `${x.toFixed(x < 100 ? 1 : 0)}`
  const three = ({ p50, p95, p99 }: Distribution) => `${ms(p50)} / ${ms(p95)} / ${ms(p99)}`
  const of = (figure: RoomFigure, server: RoomFigure['server']) =>
    figures.find(
      (f) => f.server === server && f.sockets === figure.sockets && f.votesPerSecond === figure.votesPerSecond,
    )
  const idle = (server: RoomFigure['server']) => figures.find((f) => f.server === server)
  const ratio = (a: number, b: number | undefined) => (b === undefined ? '' : (a / b).toFixed(1))
  const rows = figures.map((figure) => [
    `${figure.sockets} sockets, ${figure.votesPerSecond} votes/s, ${figure.server === 'bare' ? 'bare server' : 'Attune'}`,
    three(figure.ack),
    ratio(figure.ack.p50, of(figure, 'bare')?.ack.p50),
    ratio(figure.ack.p50, idle(figure.server)?.ack.p50),
    three(figure.seen),
    figure.text === null ? '' : three(figure.text),
    figure.messagesPerSocketPerSecond.toFixed(1),
    (figure.joinMs / 1_000).toFixed(1),
    figure.kibPerSocket?.toFixed(0) ?? '',
    figure.cores?.toFixed(2) ?? '',
    `${figure.lost} / ${figure.doubled} / ${Object.values(figure.refused).reduce((sum, n) => sum + n, 0)} / ${figure.unheard}`,
  ])
  return [
    `votes for ${seconds} s a room, on ${SAMPLES} answers, given when due; times in ms, p50 / p95 / p99; the bare Socket.IO server tells its room ${fanOut === 'tick' ? 'once a tick, as Attune does' : 'of every vote'}`,
    '',
    table(
      [
        '',
        'vote to ack',
        'p50, bare = 1',
        'p50, idle = 1',
        'vote to another voter',
        'text to a voter',
        'messages/socket/s',
        'all in, s',
        'KiB/socket',
        'cores',
        'lost/doubled/refused/unheard',
      ],
      rows,
    ),
  ].join('\n')
}

/** Accounts created without the sign-in, whose limits are not what is measured. */
async function tokensOf(pool: Pool, secret: string, count: number): Promise<string[]> {
  const logins = createLogins({ pool, seal: createSeal(secret), jwtSecret: secret })
  const tokens: string[] = []
  for (let i = 0; i < count; i++) {
    const voter = await insertUser(pool, {
      username: `simulated voter ${i + 1}`,
      email: null,
      passwordHash: null,
      wallet: null,
      guest: true,
      role: 'contributor',
    })
    tokens.push((await logins.begin(voter)).token)
  }
  return tokens
}

/** Answers that are open to votes, as a trainer shows them. */
async function addSamples(pool: Pool, sessionId: string): Promise<string[]> {
  const ids = Array.from({ length: SAMPLES }, () => randomUUID())
  await insertShown(
    pool,
    sessionId,
    ids.map((id) => ({
      ...{ id, step: 1, origin: 'rollout', prompt: 'What is a good way to rest?', policyVersion: 0 },
      response: `A short walk without a phone, and then a long sleep. ${id}`,
      rollout: { promptIds: [1], responseIds: [2], logprobs: [-1], truncated: false, group: [id] },
    })),
  )
  return ids
}

/** An answer that streams, told as a trainer tells it. */
async function talk(redisUrl: string, sessionId: string): Promise<{ stop: () => void }> {
  const redis = await openRedis(redisUrl, (error) => console.error(error))
  const sampleId = randomUUID()
  let offset = 0
  const timer = setInterval(() => {
    const text = pieceOf(Date.now())
    void append(redis, sessionId, { event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
    offset += text.length
  }, PIECE_MS)
  return {
    stop() {
      clearInterval(timer)
      redis.disconnect()
    },
  }
}

/** What the database has of the acknowledged votes. */
export async function check(
  pool: Pool,
  samples: string[],
  acked: string[],
): Promise<{ lost: number; doubled: number }> {
  const { all, known, people } = await countStored(pool, samples, acked)
  return { lost: acked.length - known, doubled: all - people }
}

/** Runs the crowd in a process of its own, and monitors the server's process meanwhile. */
export async function load(
  job: LoadJob,
  pid: number | undefined,
  onProgress: (done: number) => void,
): Promise<{ result: LoadResult; usage: Pick<RoomFigure, 'kibPerSocket' | 'cores'> }> {
  const before = usageOf(pid)
  const child = forked('rooms-load.ts')
  const full: { usage: Usage | null; at: number } = { usage: null, at: 0 }
  const result = await new Promise<LoadResult>((resolve, reject) => {
    child.on('message', (message: LoadMessage) => {
      if ('done' in message) onProgress(message.done)
      else if ('result' in message) resolve(message.result)
      else Object.assign(full, { usage: usageOf(pid), at: performance.now() })
    })
    child.once('exit', (code) => reject(new Error(`the crowd ended with code ${code}`)))
    child.send(job)
  })
  const after = usageOf(pid)
  const seconds = (performance.now() - full.at) / 1_000
  return {
    result,
    usage: {
      kibPerSocket: before && full.usage ? (full.usage.kib - before.kib) / job.tokens.length : null,
      cores: full.usage && after ? (after.cpuSeconds - full.usage.cpuSeconds) / seconds : null,
    },
  }
}

export async function startBare(fanOut: FanOut): Promise<{ child: ChildProcess; url: string }> {
  const child = forked('rooms-echo.ts', fanOut)
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(z.object({ port: z.int() }).parse(message).port))
    child.once('exit', (code) => reject(new Error(`the bare server ended with code ${code}`)))
  })
  return { child, url: `http://127.0.0.1:${port}` }
}

const forked = (file: string, ...args: string[]): ChildProcess =>
  fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })

interface Usage {
  kib: number
  cpuSeconds: number
}

/** What a process uses, from Linux's /proc; null elsewhere. */
function usageOf(pid: number | undefined): Usage | null {
  if (pid === undefined || process.platform !== 'linux') return null
  const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  // utime and stime, in hundredths of a second, after the name, which may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return { kib, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100 }
}

function measured(times: readonly number[]): Distribution {
  const d = distribution(times)
  if (d === null) throw new Error('no vote was measured')
  return d
}
