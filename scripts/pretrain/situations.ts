/**
 * The everyday situations, read from the text files beside this one, three lines each:
 *
 *     id | detail, detail | about phrase | feeling, feeling
 *       trouble / trouble / ...           (what the person says)
 *       step / step / ...                 (what one could usefully do, as imperatives)
 *
 * `$` stands for the chosen detail ("maths") everywhere.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** A situation in which one detail has been filled in. */
export type Scene = {
  /** Unique over all situations and details. */
  id: string
  situation: string
  theme: string
  /** Noun phrase or gerund from the answerer's point of view: "your maths exam". */
  about: string
  feelings: readonly string[]
  troubles: readonly string[]
  /** Imperative phrases without capital or full stop. */
  steps: readonly string[]
}

export type Situation = { id: string; theme: string; scenes: readonly Scene[] }

const folder = new URL('./situations/', import.meta.url)

function split(text: string, mark: string): string[] {
  return text
    .split(mark)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function parse(theme: string, lines: readonly string[]): Situation {
  const [head, troubles, steps] = lines
  const fields = head === undefined ? [] : split(head, '|')
  const [id, details, about, feelings] = fields
  if (id === undefined || details === undefined || about === undefined || feelings === undefined) {
    throw new Error(`situations/${theme}.txt: four fields are needed in "${head ?? ''}"`)
  }
  if (troubles === undefined || steps === undefined) throw new Error(`situations/${theme}.txt: "${id}" lacks lines`)
  const scenes = split(details, ',').map((detail): Scene => {
    const fill = (text: string): string => text.replaceAll('$', () => detail)
    return {
      id: `${id}/${detail}`,
      situation: id,
      theme,
      about: fill(about),
      feelings: split(feelings, ','),
      troubles: split(troubles, ' / ').map(fill).map(capital),
      steps: split(steps, ' / ').map(fill),
    }
  })
  return { id, theme, scenes }
}

/** The text with its first letter as a capital. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function load(): Situation[] {
  const out: Situation[] = []
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    const theme = file.slice(0, -4)
    const lines = readFileSync(new URL(file, folder), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
    if (lines.length % 3 !== 0) throw new Error(`situations/${file}: three lines a situation are needed`)
    for (let i = 0; i < lines.length; i += 3) out.push(parse(theme, lines.slice(i, i + 3)))
  }
  return out
}

export const situations: readonly Situation[] = load()
export const scenes: readonly Scene[] = situations.flatMap((situation) => situation.scenes)
