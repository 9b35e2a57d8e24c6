import { expect, test } from 'vitest'
import parser from '@typescript-eslint/parser'
import { Linter } from 'eslint'
import boundedSpread from '../scripts/lint/bounded-spread.mjs'

const linter = new Linter()
const complaints = (code: string): string[] =>
  linter
    .verify(
      code,
      [
        {
          files: ['**/*.ts'],
          languageOptions: { parser },
          plugins: { attune: { rules: { 'bounded-spread': boundedSpread } } },
          rules: { 'attune/bounded-spread': 'error' },
        },
      ],
      'a.ts',
    )
    .map(({ message }) => message)

test.each([
  'Math.max(...values)',
  'Math.max(0, ...rows.map((row) => row.length))',
  'list.push(...more)',
  'String.fromCharCode(...bytes)',
  'new Thing(...values)',
  'fold(...[...values, 1])',
  'const all: number[] = []; all.push(1); Math.max(...all)',
  'function f(values: number[]) { return Math.min(...values) }',
  'Math.max.apply(null, values)',
  'push.apply(list, more)',
])('no array whose length comes from data is spread into a call: %s', (code) => {
  expect(complaints(code)).toEqual([expect.stringContaining('use a loop or reduce')])
})

test.each([
  'Math.max(...[1, 2, 3])',
  'const sizes = [1, 2] as const; Math.max(...sizes)',
  'const both = (...args: number[]) => Math.max(...args)',
  'log(...(a ? ["x", 1] : []))',
  'Math.max(...[a, b].map((x) => x.length))',
  'const copy = [...values]; const more = { ...copy }; new Map([...copy])',
  'f.apply(this, [a, b])',
])('what is bounded where it stands passes: %s', (code) => {
  expect(complaints(code)).toEqual([])
})
