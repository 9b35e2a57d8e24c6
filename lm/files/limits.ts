/** Untrusted files that are read whole have a limit, bytes. Weights are read tensor by tensor, and have none here. */
export const fileLimits = {
  /** config.json, generation_config.json, special_tokens_map.json, chat_template.jinja. */
  configuration: 1024 * 1024,
  /** tokenizer_config.json, which describes each added token at length. */
  tokenizerConfig: 8 * 1024 * 1024,
  /** tokenizer.json: the largest known, of 262,144 tokens, have 33 MB. */
  tokenizer: 64 * 1024 * 1024,
  /** The index of weights in several files. */
  index: 16 * 1024 * 1024,
  /** The header of one safetensors file; those of models with thousands of tensors have some hundred kB. */
  header: 16 * 1024 * 1024,
  /** prompts.jsonl. */
  prompts: 16 * 1024 * 1024,
  /** Licence and README. */
  words: 4 * 1024 * 1024,
  /** Nesting of lists and objects, in any JSON file. */
  nesting: 64,
} as const
