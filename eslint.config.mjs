/** `npm run lint`: what types don't say. */
import svelte from 'eslint-plugin-svelte'
import svelteParser from 'svelte-eslint-parser'
import tseslint from 'typescript-eslint'
import boundedSpread from './scripts/lint/bounded-spread.mjs'

const product = ['lm', 'core', 'server', 'trainer', 'contracts', 'client', 'scripts']
const processes = ['lm', 'core', 'server', 'trainer', 'contracts']
const code = (kinds, folders = [...product, 'test']) =>
  folders.flatMap((folder) => kinds.map((kind) => `${folder}/**/*.${kind}`))

const plugins = {
  attune: { rules: { 'bounded-spread': boundedSpread } },
  svelte,
  '@typescript-eslint': tseslint.plugin,
}
const types = { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.svelte'] }

/** What a file shows by itself. Unused names are the type checker's. */
const plainRules = {
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'no-empty': ['error', { allowEmptyCatch: false }],
  // What a closure made earlier reads is declared before it is known.
  'prefer-const': ['error', { ignoreReadBeforeAssign: true }],
}

/**
 * What wants types. Left out, since they flood and find nothing: `require-await` (a method of an interface that
 * returns a promise is async, so that what it throws rejects), `no-non-null-assertion` (an index that stands beside
 * its bound), `no-unsafe-*` but for arguments.
 */
const typedRules = {
  '@typescript-eslint/await-thenable': 'error',
  // The type of a module that is imported when it is wanted is written `typeof import(…)`.
  '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-unnecessary-type-assertion': 'error',
  '@typescript-eslint/no-unsafe-argument': 'error',
  // What was caught is thrown on as it came.
  '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
  '@typescript-eslint/return-await': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
}

export default [
  { ignores: ['client/dist/**', 'contracts/build/**', 'test/.out/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: code(['ts', 'mjs', 'svelte']), plugins, rules: plainRules },
  // Tests spread lists whose lengths they write themselves.
  { files: code(['ts', 'mjs', 'svelte'], product), rules: { 'attune/bounded-spread': 'error' } },
  {
    files: code(['ts']),
    languageOptions: { parser: tseslint.parser, parserOptions: types },
    rules: typedRules,
  },
  {
    files: code(['svelte', 'svelte.ts']),
    languageOptions: { parser: svelteParser, parserOptions: { parser: tseslint.parser, ...types } },
    rules: typedRules,
  },
  {
    files: code(['svelte']),
    rules: {
      // It knows `$props` and `$derived`.
      'prefer-const': 'off',
      'svelte/prefer-const': 'error',
      // Components are `any` to this parser; svelte-check knows the types of their props.
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  // Processes log by pino; an entry prints why it can't start. What a person at a terminal reads is printed by scripts.
  { files: code(['ts'], processes), ignores: ['**/main.ts'], rules: { 'no-console': 'error' } },
]
