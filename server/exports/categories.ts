import type { Column, Row } from './columns.ts'
import type { Pages } from './tables.ts'

/**
 * A column of scores for each category that a run has, behind the others: where a cell holds no list, a person still
 * finds each in its place. The list stays, with weights and categories of the raters' own.
 */
export function withCategories(
  columns: readonly Column[],
  categories: readonly string[],
): { columns: Column[]; of: (pages: Pages) => Pages } {
  const names = categories.map((category) => ({ category, name: `category_${category}` }))
  return {
    columns: [
      ...columns,
      ...names.map(({ category, name }): Column => ({
        ...{ name, shape: { type: 'number' }, nullable: true },
        description: `The score for ${category}, 1…10; null: none was given`,
      })),
    ],
    async *of(pages) {
      for await (const page of pages)
        yield page.map((row): Row => ({
          ...row,
          ...Object.fromEntries(names.map(({ category, name }) => [name, scoreOf(row, category)])),
        }))
    },
  }
}

const scoreOf = ({ categories }: Row, category: string): number | null =>
  (categories as { name: string; score: number }[]).find(({ name }) => name === category)?.score ?? null
