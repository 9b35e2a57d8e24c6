/** Adapters as Hugging Face's PEFT stores them: `adapter_config.json` and `adapter_model.safetensors`. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { StateReader } from '../engines/engine.ts'
import type { Shape } from '../graph/index.ts'
import type { AdapterPair, HeldModel } from '../architectures/architecture.ts'
import type { LoraConfig } from '../architectures/lora.ts'
import { writeSafetensors } from './safetensors-file.ts'
import { writeAtomically } from './safetensors.ts'

/**
 * Writes a directory that PEFT's `from_pretrained` reads onto the base model.
 * @param baseModel what PEFT loads the base from: a directory, or a repository on the hub
 */
export async function writeAdapters(
  directory: string,
  states: StateReader,
  { architecture, adapters }: HeldModel,
  lora: LoraConfig,
  baseModel: string,
): Promise<void> {
  if (!adapters) throw new Error(`${directory}: the model has no adapters to write`)
  const stored = new Map(
    [...adapters.pairs].flatMap(([name, { a, b }]): [string, AdapterPair['a']][] => [
      [`base_model.model.${name}.lora_A.weight`, a],
      [`base_model.model.${name}.lora_B.weight`, b],
    ]),
  )
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: lora.rankStabilised,
    lora_dropout: 0,
    bias: 'none',
    // Full names: exactly these projections, whatever other names share the ending.
    target_modules: [...adapters.pairs.keys()],
    fan_in_fan_out: [...adapters.pairs.keys()].some((name) => architecture.storedInOut(`${name}.weight`)),
    init_lora_weights: true,
    inference_mode: true,
    modules_to_save: null,
  }
  await mkdir(directory, { recursive: true })
  const shapes = new Map([...stored].map(([name, { shape }]): [string, Shape] => [name, shape]))
  await writeSafetensors(join(directory, 'adapter_model.safetensors'), shapes, async (name) =>
    states.get(stored.get(name)?.name ?? name),
  )
  await writeAtomically(
    join(directory, 'adapter_config.json'),
    new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`),
  )
}
