/**
 * What `npm run dev` adds to a start: processes restart when their sources change, and vite serves the page, so that
 * changes there show at once.
 */
import { watch, type FSWatcher } from 'node:fs'
import { join, resolve } from 'node:path'
import { createServer } from 'vite'
import { proxyTo } from '../../client/vite.config.ts'
import type { Attune } from './attune.ts'
import { errorText } from './fault.ts'

export type OwnProcess = 'server' | 'trainer' | 'recorder'

/** The source folders of each process. */
const SOURCES: Readonly<Record<OwnProcess, readonly string[]>> = {
  server: ['server', 'trainer', 'lm', 'core', 'contracts/ledger', 'contracts/recorder'],
  trainer: ['trainer', 'lm', 'core', 'contracts/ledger'],
  recorder: ['contracts/recorder', 'contracts/ledger', 'core'],
}
/** An editor writes several files, or one in several steps: milliseconds without another change. */
const SETTLED_MS = 150

/** The processes that a file below the root is part of. */
export const processesOf = (file: string): OwnProcess[] =>
  (Object.keys(SOURCES) as OwnProcess[]).filter(
    (name) => /\.(ts|sql)$/.test(file) && SOURCES[name].some((folder) => file.startsWith(`${folder}/`)),
  )

const root = resolve(import.meta.dirname, '../..')

/** Both, until it is closed. */
export async function openDevelopment(attune: Attune, say: (text: string) => void) {
  const page = await servePage(attune)
  const sources = restartOnChange(attune, say)
  return {
    /** Of the page. */
    url: page.url,
    close: async () => {
      sources.close()
      await page.close()
    },
  }
}

/** Restarts each process whose sources change, once they have settled. */
function restartOnChange(attune: Pick<Attune, 'restart'>, say: (text: string) => void): { close: () => void } {
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  const turn = () => {
    const names = new Set([...changed].flatMap(processesOf))
    if (names.size > 0) say(`  ${[...changed].join(', ')} changed: starting ${[...names].join(', ')} again`)
    changed.clear()
    for (const name of names)
      attune.restart(name).catch((error: unknown) => say(`  ! ${name} can't be started again: ${errorText(error)}`))
  }
  const watchers = [...new Set(Object.values(SOURCES).flat())].map((folder): FSWatcher =>
    watch(join(root, folder), { recursive: true }, (_, file) => {
      if (file === null || processesOf(`${folder}/${file}`).length === 0) return
      changed.add(`${folder}/${file}`)
      clearTimeout(timer)
      timer = setTimeout(turn, SETTLED_MS)
    }),
  )
  return {
    close() {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

/** Serves the page by vite's development server, which proxies everything else to Attune's. */
async function servePage(attune: Pick<Attune, 'url'>) {
  const vite = await createServer({
    configFile: join(root, 'client', 'vite.config.ts'),
    logLevel: 'warn',
    server: { proxy: proxyTo(attune.url) },
  })
  await vite.listen()
  const url = vite.resolvedUrls?.local[0]
  if (url === undefined) throw new Error('vite serves the page nowhere')
  return { url, close: () => vite.close() }
}
