import unhomoglyph from 'unhomoglyph'
import { AttuneError } from './errors.ts'

/** Maximum length of a name, characters. */
const MOST = 64

/**
 * A name as stored: NFKC, white space collapsed. Two names that look alike are one name,
 * which `skeletonOf` and the database ensure.
 *
 * @throws AttuneError invalid for invisible or misleading characters, conflict if it is reserved
 */
export function nameOf(given: string, path: string): string {
  const refuse = (message: string) => new AttuneError('invalid', message, { path })
  if (HIDDEN.test(given)) throw refuse('a name holds no invisible or control characters: type it anew')
  const name = plainName(given)
  if (name === '' || [...name].length > MOST) throw refuse(`a name has 1 to ${MOST} characters`)
  if (HIDDEN.test(name) || /^\p{M}/u.test(name) || /\p{M}{4}/u.test(name.normalize('NFD')))
    throw refuse('a name holds letters and signs that can be read')
  if (name.split(' ').some(mixesScripts))
    throw refuse('a word of a name keeps to one alphabet: this one mixes letters that look alike')
  if (isReserved(name))
    throw new AttuneError('conflict', `names like ${name} are kept for those who run this place: choose another one`, {
      path,
    })
  return name
}

/** NFKC, white space collapsed. */
export const plainName = (given: string): string => given.normalize('NFKC').replace(/\s+/gu, ' ').trim()

/**
 * What a name looks like, so that two that a reader would mistake for each other have one
 * skeleton: Unicode's confusables (UTS #39) on the case-folded name, and on its capitals where
 * only these are alike (м and M). Case hides which of i, l and 1 was meant, so these are one.
 */
export function skeletonOf(name: string): string {
  const folded = fold(name.normalize('NFKC'))
    .normalize('NFD')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  const alike = folded.replace(/\P{ASCII}/gu, latinOf)
  return fold(unhomoglyph(alike).normalize('NFD')).replace(/[il|]/g, 'l').replace(/\s+/gu, ' ').trim()
}

/** The ASCII letter that a letter looks like, itself or as a capital; else the letter. */
const latinOf = (letter: string): string =>
  [letter, letter.toUpperCase()]
    .map(unhomoglyph)
    .find((like) => /^\p{ASCII}+$/u.test(like))
    ?.toLowerCase() ?? letter

/** Full case folding, approximated with JavaScript's methods: ß is ss, ς is σ. */
const fold = (text: string) => text.toUpperCase().toLowerCase()

/**
 * Control and format characters, unassigned ones, and those that show as nothing; except white space that can be
 * typed.
 */
const HIDDEN = /(?![\t\n\r])[\p{C}\p{Default_Ignorable_Code_Point}\u2800]/u

/** Alphabets that contain look-alikes of each other's letters. */
const scripts = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u,
]
const mixesScripts = (word: string): boolean => scripts.filter((script) => script.test(word)).length > 1

const reserved = [
  'admin',
  'administrator',
  'attune',
  'erased',
  'moderator',
  'mod',
  'official',
  'operator',
  'root',
  'security',
  'staff',
  'support',
  'sysadmin',
  'system',
]
const LEET: Record<string, string> = { '@': 'a', '4': 'a', '3': 'e', $: 's', '5': 's', '7': 't' }

/** Letters only, by appearance. */
const bare = (text: string) =>
  skeletonOf(text.replace(/[@34$57]/g, (sign) => LEET[sign] ?? sign)).replace(/[^\p{L}]+/gu, '')
const RESERVED = new RegExp(`^(?:${[...reserved, ...reserved.map((word) => `${word}s`)].map(bare).join('|')})+$`, 'u')

/** Whether a word of the name, or all of it joined, is reserved; trailing digits are ignored. */
function isReserved(name: string): boolean {
  const words = name.split(/[^\p{L}\p{M}\p{N}@$|]+/u)
  return [...words, name].some((word) => RESERVED.test(bare(word)) || RESERVED.test(bare(word.replace(/\p{N}+$/u, ''))))
}
