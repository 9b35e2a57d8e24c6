/** A raw text in parts: what can be read, and what can't be seen but changes how the rest reads. Pure. */
export interface Part {
  text: string
  /** The character's code point, if it can't be seen; null for ordinary text. */
  code: string | null
}

/** Marks and overrides of direction, joiners, fillers and other characters without a shape of their own. */
const INVISIBLE = /([\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])/

export function partsOf(text: string): Part[] {
  return text
    .split(INVISIBLE)
    .map((part, i) => ({
      text: part,
      code: i % 2 === 1 ? `U+${(part.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}` : null,
    }))
    .filter(({ text }) => text !== '')
}
