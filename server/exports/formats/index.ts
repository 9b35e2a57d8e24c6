import type { ExportFormat } from '../../../core/protocol/index.ts'
import { csv } from './csv.ts'
import type { Format } from './format.ts'
import { jsonl } from './jsonl.ts'
import { parquet } from './parquet.ts'

/** The formats of data; `card` (card.ts) describes them. */
export const formats: Readonly<Record<Exclude<ExportFormat, 'card'>, Format>> = { jsonl, csv, parquet }
