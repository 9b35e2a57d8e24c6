import { z } from 'zod'
import { route } from './route.ts'
import { ExportQuery, ExportTable, SessionId } from '../../../core/protocol/index.ts'
import { exportOf } from '../../exports/export.ts'
import type { Download } from '../download.ts'

export const exportRoutes = [
  route('get', '/api/training/:sessionId/export/:table', {
    access: 'own',
    summary:
      'What a run gathered, as a file: JSON Lines, CSV or Parquet, or the card that describes it; for its owner and for reviewers',
    params: z.object({ sessionId: SessionId, table: ExportTable }),
    query: ExportQuery,
    answer: z.custom<Download>(),
    // By the format that is asked for.
    bare: '*/*',
    download: true,
    cost: 20,
    handle: ({ deps, caller, params, query }) => exportOf(deps, caller, params.sessionId, params.table, query),
  }),
]
