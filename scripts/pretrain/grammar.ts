/**
 * The generator's language, for judging texts that a model wrote: which sentence template a sentence
 * follows, how warm that template is, and whether its words stand in an order the generator could
 * have written (every run of three words known).
 */
import { fill } from './corpus.ts'
import * as phrases from './phrases.ts'
import { scenes } from './situations.ts'

export type Kind = 'opener' | 'lead' | 'second' | 'vague' | 'general' | 'filler' | 'closer'
type Template = { text: string; kind: Kind; tone: number; pattern: RegExp; literal: number }

/** The analysis of one sentence. */
export type Sentence = {
  text: string
  /** The template it follows, or null if none. */
  template: string | null
  kind: Kind | null
  /** In [0, 1]: 0 harsh, 1 warm. */
  tone: number
  /** Share of its three-word runs, boundaries included, that the generator can write; in [0, 1]. */
  known: number
  /** The contents of the slots {about} and {step}, lower case. */
  mentions: string[]
}

const tables: readonly [Kind, phrases.ToneTable][] = [
  ['opener', phrases.openers],
  ['lead', phrases.leads],
  ['second', phrases.seconds],
  ['vague', phrases.vagues],
  ['general', phrases.generals],
  ['filler', phrases.fillers],
  ['closer', phrases.closers],
]

function compile(text: string, kind: Kind, level: number): Template {
  const escaped = text.replace(/[.?]/g, '\\$&')
  const pattern = new RegExp(`^${escaped.replace(/\{(\w+)\}/g, (_, slot: string) => `(?<${slot}>.+)`)}$`)
  return { text, kind, tone: level / (phrases.LEVELS - 1), pattern, literal: text.replace(/\{\w+\}/g, '').length }
}

/** The longest literal text first: "Then {step} and be quiet." is tried before "Then {step}." */
const templates: readonly Template[] = tables
  .flatMap(([kind, table]) => table.flatMap((level, i) => level.map((text) => compile(text, kind, i))))
  .sort((a, b) => b.literal - a.literal)

const abouts = new Set(scenes.map((scene) => scene.about.toLowerCase()))
const steps = new Set(scenes.flatMap((scene) => scene.steps).map((step) => step.toLowerCase()))
const feelings = new Set(scenes.flatMap((scene) => scene.feelings))

function slotsKnown(slots: Record<string, string | undefined>): boolean {
  return (
    (slots['about'] === undefined || abouts.has(slots['about'].toLowerCase())) &&
    (slots['step'] === undefined || steps.has(slots['step'].toLowerCase())) &&
    (slots['feeling'] === undefined || feelings.has(slots['feeling']))
  )
}

/** Words and marks of a sentence, lower case, the marks as words of their own. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}'-]+|[^\s\p{L}\p{N}'-]/gu) ?? []
}

function trigrams(words: readonly string[]): string[] {
  const padded = ['^', '^', ...words, '$']
  return padded.slice(2).map((word, i) => `${padded[i]} ${padded[i + 1]} ${word}`)
}

type Count = { count: number; tone: number }

/** Every three-word run that the generator can write, with the mean tone of where it stands. */
function buildRuns(): Map<string, Count> {
  const runs = new Map<string, Count>()
  for (const template of templates) {
    const sentences = new Set(
      template.text.includes('{')
        ? scenes.flatMap((scene) =>
            (template.text.includes('{step}') ? scene.steps : [undefined]).flatMap((step) =>
              (template.text.includes('{feeling}') ? scene.feelings : ['']).map((feeling) =>
                fill(template.text, { about: scene.about, feeling, step }),
              ),
            ),
          )
        : [template.text],
    )
    for (const sentence of sentences) {
      for (const run of trigrams(wordsOf(sentence))) {
        const entry = runs.get(run)
        if (entry === undefined) runs.set(run, { count: 1, tone: template.tone })
        else {
          entry.count++
          entry.tone += (template.tone - entry.tone) / entry.count
        }
      }
    }
  }
  return runs
}

let cache: Map<string, Count> | undefined
function runsOf(): Map<string, Count> {
  cache ??= buildRuns()
  return cache
}

/** Tone of a sentence that follows no template, from the runs it shares with the generator's sentences. */
function toneOfRuns(found: readonly Count[]): number {
  let sum = 0
  let weight = 0
  for (const { tone } of found) {
    const w = 0.05 + Math.abs(tone - 0.5)
    sum += w * tone
    weight += w
  }
  return weight === 0 ? 0.5 : sum / weight
}

/** Analyses a sentence's text, as far as the generator's language goes. */
export function readSentence(text: string): Sentence {
  const runs = trigrams(wordsOf(text))
  const found = runs.map((run) => runsOf().get(run)).filter((run) => run !== undefined)
  const known = found.length / runs.length
  const matches = templates.flatMap((template) => {
    const match = template.pattern.exec(text)
    return match === null ? [] : [{ template, slots: match.groups ?? {} }]
  })
  const best = matches.find(({ slots }) => slotsKnown(slots)) ?? matches[0]
  if (best === undefined) return { text, template: null, kind: null, tone: toneOfRuns(found), known, mentions: [] }
  const mentions = [best.slots['about'], best.slots['step']].filter((slot) => slot !== undefined)
  return {
    text,
    template: best.template.text,
    kind: best.template.kind,
    tone: best.template.tone,
    known,
    mentions: mentions.map((mention) => mention.toLowerCase()),
  }
}

/** The sentences of a text; the last may lack its final mark. */
export function splitSentences(text: string): string[] {
  return (text.match(/[^.?!]+[.?!]*/g) ?? []).map((part) => part.trim()).filter((part) => part !== '')
}
