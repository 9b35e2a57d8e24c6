/**
 * Imports from the hub. The row in Postgres is the import: the server that runs it renews its lease
 * every few seconds, and an import whose lease has lapsed is taken over, so a server that dies costs no download.
 */
import { randomUUID } from 'node:crypto'
import { importModel, nameOf, type Source } from '../../lm/files/import.ts'
import type { Deps, Imports } from '../deps.ts'
import { endImport, insertImport, speakForImport, stopImport, takeSilentImports } from '../../core/db/imports.ts'
import { findModel } from '../../core/db/models.ts'
import { AttuneError } from '../../core/errors.ts'
import { adopt } from './models.ts'
import { ModelName, type ModelImport } from '../../core/protocol/index.ts'

/** Milliseconds between lease renewals of a running import, … */
const SPEAK_MS = 1_000
/** … and after which one whose lease has lapsed is taken over. */
const SILENT_MS = 20_000

class Left extends Error {}

export function openImports(deps: Pick<Deps, 'pool' | 'log' | 'models'>): Imports {
  const runner = randomUUID()
  const running = new Map<string, { controller: AbortController; done: Promise<void> }>()

  function run(row: ModelImport, token: string | undefined): void {
    const controller = new AbortController()
    const done = runImport(deps, runner, row, { token, controller })
      .catch((error: unknown) =>
        deps.log.error({ err: error, importId: row.id }, 'an import could not be ended; it will be taken over'),
      )
      .finally(() => running.delete(row.id))
    running.set(row.id, { controller, done })
  }

  return {
    async start(caller, { repo, revision, token, name = nameOf(sourceOf(deps, { repo, revision }, undefined)) }) {
      if (!ModelName.safeParse(name).success)
        throw new AttuneError('invalid', `a model cannot be called as ${repo} is: send a name of your choice`, {
          path: 'name',
        })
      if (await findModel(deps.pool, name))
        throw new AttuneError('conflict', `there is a model ${name} already: choose another name`, { path: 'name' })
      const row = await insertImport(deps.pool, { name, repo, revision, runner, startedBy: caller.userId })
      if (row === null) throw new AttuneError('conflict', `${repo}, or a model ${name}, is being imported already`)
      run(row, token ?? deps.models.hub.token)
      return row
    },
    async stop(id) {
      const row = await stopImport(deps.pool, id)
      if (row === null) throw new AttuneError('not-found', `no import ${id} is running`)
      const here = running.get(id)
      here?.controller.abort(new Left())
      await here?.done
      return row
    },
    async takeOver() {
      for (const row of await takeSilentImports(deps.pool, runner, SILENT_MS))
        if (!running.has(row.id)) run(row, deps.models.hub.token)
    },
    async close() {
      for (const { controller } of running.values()) controller.abort(new Left())
      await Promise.all([...running.values()].map(({ done }) => done))
    },
  }
}

async function runImport(
  deps: Pick<Deps, 'pool' | 'log' | 'models'>,
  runner: string,
  row: ModelImport,
  { token, controller }: { token: string | undefined; controller: AbortController },
): Promise<void> {
  const { path: modelsPath, maxBytes } = deps.models
  let progress: { file: string | null; bytes: number; totalBytes: number } = { file: null, bytes: 0, totalBytes: 0 }
  const speak = async (): Promise<void> => {
    try {
      if (!(await speakForImport(deps.pool, row.id, runner, progress))) controller.abort(new Left())
    } catch (error) {
      deps.log.warn({ err: error, importId: row.id }, 'an import could not say how far it is; trying again')
    }
  }
  const timer = setInterval(() => void speak(), SPEAK_MS)
  try {
    const imported = await importModel(sourceOf(deps, row, token), {
      modelsPath,
      name: row.name,
      maxBytes,
      signal: controller.signal,
      onProgress: (now) => (progress = now),
    })
    await adopt(deps, imported, row.repo)
    await speak()
    await endImport(deps.pool, row.id, runner, 'done', null)
    deps.log.info(
      { importId: row.id, model: row.name, repo: row.repo, commit: imported.commit },
      'a model was imported',
    )
  } catch (error) {
    if (controller.signal.reason instanceof Left) return
    const reason = error instanceof Error ? error.message : String(error)
    deps.log.warn({ err: error, importId: row.id, repo: row.repo }, 'an import failed')
    await endImport(deps.pool, row.id, runner, 'failed', reason)
  } finally {
    clearInterval(timer)
  }
}

const sourceOf = (
  { models }: Pick<Deps, 'models'>,
  { repo, revision }: { repo: string; revision: string },
  token: string | undefined,
): Source => ({ kind: 'hub', repo, revision, hubUrl: models.hub.url, token })
