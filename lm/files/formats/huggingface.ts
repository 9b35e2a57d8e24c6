/** A directory as transformers saves it: config.json, safetensors, tokenizer and what lies beside them. */
import { copyCompanions, readModel, writeModel } from '../directory.ts'
import type { ExportFormat } from './format.ts'

export const huggingface: ExportFormat = {
  precisions: ['fp32', 'fp16'],
  async write(directory, into, precision) {
    await writeModel(into, await readModel(directory), precision === 'fp16' ? 'F16' : 'F32')
    await copyCompanions(directory, into)
  },
}
