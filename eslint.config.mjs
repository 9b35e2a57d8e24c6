/** `npm run lint`: what types don't say. */
import parser from '@typescript-eslint/parser'
import svelteParser from 'svelte-eslint-parser'
import boundedSpread from './scripts/lint/bounded-spread.mjs'

const rules = { 'attune/bounded-spread': 'error' }
const plugins = { attune: { rules: { 'bounded-spread': boundedSpread } } }
const code = (kinds) =>
  ['lm', 'core', 'server', 'trainer', 'contracts', 'client', 'scripts'].map((folder) => `${folder}/**/*.${kinds}`)

export default [
  { ignores: ['client/dist/**', 'contracts/build/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: code('{ts,mjs}'), ignores: ['**/*.svelte.ts'], languageOptions: { parser }, plugins, rules },
  {
    files: [...code('svelte'), ...code('svelte.ts')],
    languageOptions: { parser: svelteParser, parserOptions: { parser } },
    plugins,
    rules,
  },
]
