/** What a run gathered leaves it as one file, sent while it is read. */
import type { Deps } from '../deps.ts'
import { hasRow, inSnapshot } from '../../core/db/exports.ts'
import { findSession } from '../../core/db/sessions.ts'
import { AttuneError } from '../../core/errors.ts'
import { demandOwner, type Caller } from '../../core/permissions.ts'
import { exportName, limits, LiveConfig, type ExportQuery, type ExportTable } from '../../core/protocol/index.ts'
import type { Download } from '../http/download.ts'
import { seen } from '../sessions/admittance.ts'
import { withCategories } from './categories.ts'
import { cardOf, cardType } from './formats/card.ts'
import { formats } from './formats/index.ts'
import { laidOut, layoutOf } from './layouts/index.ts'
import { requestOf, type ExportRequest } from './request.ts'
import { tableColumns, tableRows, type Exported, type Pages } from './tables.ts'

/**
 * A table of a session, in a format and a layout. Its owner may have it, and who may review votes; with names, its owner
 * and administrators.
 *
 * @throws AttuneError invalid, not-found, forbidden; when it is read also conflict, too-frequent
 */
export async function exportOf(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  table: ExportTable,
  query: ExportQuery,
): Promise<Download> {
  const session = await seen(deps.pool, caller, sessionId)
  const request = requestOf(table, query)
  demandOwner(caller, session.userId, request.names ? 'administer' : 'review')
  await demandRow(deps, sessionId, request)
  const name = exportName(sessionId, table, request.layout)
  if (request.format === 'card') return cardFile(deps, sessionId, request, name)
  const { extension, type, write } = formats[request.format]
  const exported: Exported = { sessionId, session, request, pseudonyms: deps.pseudonyms }
  const { columns, of } = shaped(exported)
  return {
    name: `${name}${extension}`,
    type,
    async *body(signal) {
      const leave = takePlace(deps)
      try {
        yield* inSnapshot(deps.pool, signal, (db) =>
          write(columns, of(tableRows(exported, db, signal)), request.after !== undefined),
        )
      } finally {
        leave()
      }
    },
  }
}

/** What the file's columns are, and how a table's rows become its rows. */
function shaped({ request, session }: Pick<Exported, 'request' | 'session'>) {
  const { layout: name, format, table, chat, minValue } = request
  if (name !== 'rows') {
    const { columns, of } = laidOut(layoutOf(name, minValue), chat)
    return {
      columns,
      async *of(pages: Pages): Pages {
        for await (const page of pages) yield page.map(of)
      },
    }
  }
  const columns = tableColumns(request)
  if (format !== 'csv' || table !== 'votes') return { columns, of: (pages: Pages) => pages }
  const { categories } = LiveConfig.parse(session.configuration.live)
  return withCategories(
    columns,
    categories.map((category) => category.name),
  )
}

/** @throws AttuneError not-found if the session has no row to go on after */
async function demandRow(
  { pool }: Pick<Deps, 'pool'>,
  sessionId: string,
  { after, table }: ExportRequest,
): Promise<void> {
  if (after === undefined) return
  const what = table === 'votes' || table === 'receipts' ? 'vote' : 'answer'
  const there = await Promise.all(after.split('_').map((id) => hasRow(pool, what, sessionId, id)))
  if (there.includes(false))
    throw new AttuneError('not-found', `this session has no such row of ${table}`, { path: 'after' })
}

async function cardFile({ pool }: Deps, sessionId: string, request: ExportRequest, name: string): Promise<Download> {
  const { id, title, modelId } = await findSession(pool, sessionId)
  const layout = request.layout === 'rows' ? null : layoutOf(request.layout, request.minValue)
  const columns = layout === null ? tableColumns(request) : laidOut(layout, request.chat).columns
  return {
    name: 'README.md',
    type: cardType,
    async *body() {
      yield cardOf({ request, columns, layout, name, run: { id, title, modelId }, madeAt: new Date().toISOString() })
    },
  }
}

/** Exports that are being sent, by the pool whose connections they hold. */
const places = new WeakMap<object, number>()

/** Returns what gives the place back. @throws AttuneError too-frequent if none is free */
function takePlace({ pool }: Pick<Deps, 'pool'>): () => void {
  const taken = places.get(pool) ?? 0
  if (taken >= limits.exportsAtOnce)
    throw new AttuneError('too-frequent', `${limits.exportsAtOnce} exports are being sent already: try again soon`, {
      retryAfter: 10,
    })
  places.set(pool, taken + 1)
  return () => places.set(pool, (places.get(pool) ?? 1) - 1)
}
