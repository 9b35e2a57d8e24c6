/** The tables of exports: their columns, and how their rows are read. */
import { z } from 'zod'
import {
  answerPage,
  gatherAnswers,
  gatherPairs,
  gatherPrompts,
  pagesOf,
  preferencePage,
  promptPage,
  receiptPage,
  votePage,
  type Selection,
  type Whose,
} from '../../core/db/exports.ts'
import { gatherCrowd } from '../../core/db/export-weights.ts'
import type { Db } from '../../core/db/pool.ts'
import type { SessionBasics } from '../../core/db/sessions.ts'
import {
  ExportedAnswer,
  ExportedPreference,
  ExportedPrompt,
  ExportedReceipt,
  ExportedVote,
} from '../../core/protocol/index.ts'
import { columnsOf, type Column, type Row } from './columns.ts'
import type { Pseudonyms } from './pseudonyms.ts'
import type { ExportRequest } from './request.ts'
import { weighVotes } from './weights.ts'

export interface Exported {
  sessionId: string
  session: Pick<SessionBasics, 'configuration'>
  request: ExportRequest
  pseudonyms: Pseudonyms
}

export type Pages = AsyncIterable<readonly Row[]>

/** A table's columns. @param names the raters' names are wanted */
export function tableColumns({ table, names }: ExportRequest): Column[] {
  const rows = schemas[table]
  return columnsOf(names ? rows.extend({ raterName: z.string() }) : rows)
}

const schemas = {
  prompts: ExportedPrompt,
  answers: ExportedAnswer,
  votes: ExportedVote,
  receipts: ExportedReceipt,
  preferences: ExportedPreference,
} as const

/** A table's rows, from within a snapshot. @throws AttuneError conflict if there is no row to begin after */
export async function* tableRows(
  exported: Exported,
  db: Db,
  signal: AbortSignal,
): AsyncGenerator<Row[], void, undefined> {
  const { sessionId, request } = exported
  const { after, since, until, minReliability, minAgreement, minVotes, minMargin } = request
  const selection: Selection = { sessionId, since, until }
  switch (request.table) {
    case 'prompts':
      await gatherPrompts(db, selection)
      return yield* pagesOf(after, signal, (last) => promptPage(db, last))
    case 'answers': {
      await gatherValues(exported, db, signal)
      const isGood = request.layout === 'prompt-completion' || request.layout === 'language-modeling'
      const wanted = { minVotes, minAgreement, minValue: isGood ? request.minValue : null }
      await gatherAnswers(db, selection, wanted)
      return yield* pagesOf(after, signal, (last) => answerPage(db, last))
    }
    case 'votes':
      await gatherValues(exported, db, signal)
      return yield* veiled(
        exported,
        pagesOf(after, signal, (last) => votePage(db, selection, request, last)),
      )
    case 'receipts':
      return yield* veiled(
        exported,
        pagesOf(after, signal, (last) => receiptPage(db, selection, minReliability, last)),
      )
    case 'preferences':
      await gatherValues(exported, db, signal)
      await gatherPairs(db, selection, { minVotes, minAgreement })
      return yield* pagesOf(after, signal, (last) => preferencePage(db, minMargin, last))
  }
}

async function gatherValues({ sessionId, session, request }: Exported, db: Db, signal: AbortSignal): Promise<void> {
  await weighVotes(db, sessionId, session, signal)
  await gatherCrowd(db, request)
}

/** People by their pseudonyms, or by id and name where these were asked for. */
async function* veiled(
  { sessionId, request, pseudonyms }: Exported,
  pages: AsyncIterable<readonly (Whose & { source?: string | null })[]>,
): AsyncGenerator<Row[], void, undefined> {
  for await (const page of pages)
    yield page.map(({ userId, username, source, ...row }): Row => ({
      ...row,
      ...(source !== undefined && { source: source === null ? null : pseudonyms.ofSource(sessionId, source) }),
      ...(request.names ? { rater: userId, raterName: username } : { rater: pseudonyms.ofRater(sessionId, userId) }),
    }))
}
