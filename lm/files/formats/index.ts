/** The export formats, by the names that requests call them. */
import type { ExportFormat } from './format.ts'
import { huggingface } from './huggingface.ts'

export const formats = { huggingface } as const satisfies Record<string, ExportFormat>
export type FormatName = keyof typeof formats
export const formatNames = Object.keys(formats) as [FormatName, ...FormatName[]]
