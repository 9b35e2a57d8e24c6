/** What a model can be exported in. */
export type Precision = 'fp32' | 'fp16'

export interface ExportFormat {
  precisions: readonly Precision[]
  /** Writes a model directory's model as files of this format into another directory, which is there and empty. */
  write(directory: string, into: string, precision: Precision): Promise<void>
}
