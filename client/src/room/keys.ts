/** The keyboard of the vote card. Pure: what a key means, given where the focus is. */
export type Shortcut =
  | { do: 'rate'; rating: number }
  /** By so many points of the ten. */
  | { do: 'compassion'; by: number }
  | { do: 'clear-compassion' }
  | { do: 'submit' }
  | { do: 'skip' }
  /** Takes back what was done last: a vote or a skip. */
  | { do: 'undo' }

/** `typing`: a text field; `control`: anything else that has its own use for Enter and the arrows. */
export type Focus = 'typing' | 'control' | 'page'

export interface Key {
  /** What the key types on the layout in use. */
  key: string
  /** Its position, by its name on a US keyboard; some on-screen keyboards leave it empty. */
  code: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  shiftKey: boolean
  repeat: boolean
  /** A character is being composed, as in an input method. */
  isComposing: boolean
  keyCode?: number
  /** Something has already handled the key. */
  defaultPrevented?: boolean
  getModifierState?: (name: string) => boolean
}

/** What browsers report for a key that an input method has consumed. */
const COMPOSING = 229

/**
 * @param single whether single keys are shortcuts. Speech input presses keys that nobody meant, so they can be switched
 *   off (WCAG 2.1.4); Ctrl+Enter always sends
 */
export function shortcutOf(pressed: Key, focus: Focus, single = true): Shortcut | null {
  if (
    pressed.isComposing ||
    pressed.keyCode === COMPOSING ||
    pressed.key === 'Process' ||
    pressed.key === 'Dead' ||
    pressed.defaultPrevented
  )
    return null
  const command = pressed.ctrlKey || pressed.metaKey
  if (command && pressed.key === 'Enter' && !pressed.repeat) return { do: 'submit' }
  if (!single || command || pressed.altKey || pressed.getModifierState?.('AltGraph') || focus === 'typing') return null
  if (focus === 'page' && pressed.key === 'ArrowLeft') return { do: 'compassion', by: -1 }
  if (focus === 'page' && pressed.key === 'ArrowRight') return { do: 'compassion', by: 1 }
  // A key that is held down counts once: the answer may have changed meanwhile.
  if (pressed.repeat) return null
  if (pressed.key === 'Backspace' || pressed.key === 'Delete') return { do: 'clear-compassion' }
  const digit = digitOf(pressed)
  if (digit !== null) return { do: 'rate', rating: digit === 0 ? 10 : digit }
  if (focus === 'page' && pressed.key === 'Enter') return { do: 'submit' }
  const letter = letterOf(pressed)
  if (letter === 's') return { do: 'skip' }
  if (letter === 'z') return { do: 'undo' }
  return null
}

/**
 * The digit of a key: the one that it types, in whatever script, or, in the digit row, the one that is printed on it,
 * as on a French keyboard, where that row types & é " without Shift.
 */
function digitOf({ key, code, shiftKey }: Key): number | null {
  if (/^\p{Nd}$/u.test(key)) return valueOf(key)
  const place = /^Digit([0-9])$/.exec(code)?.[1]
  return place !== undefined && !shiftKey ? Number(place) : null
}

/** A decimal digit's value: Unicode has them in runs of ten, from zero on. */
function valueOf(digit: string): number {
  const point = digit.codePointAt(0) ?? 0
  let zero = point
  while (point - zero < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--
  return point - zero
}

/** The letter that the key types; where that is not a Latin one, as on a Cyrillic keyboard, the one at its position. */
function letterOf({ key, code }: Key): string | null {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase()
  // A named key (Enter, Tab) is not a letter, whatever its position.
  const writes = [...key].length === 1 || key === '' || key === 'Unidentified'
  return writes ? (/^Key([A-Z])$/.exec(code)?.[1]?.toLowerCase() ?? null) : null
}

export function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof HTMLElement)) return 'page'
  if (
    target.isContentEditable ||
    target.matches('textarea, select, [role=textbox], input:not([type=range], [type=radio], [type=checkbox])')
  ) {
    return 'typing'
  }
  return target.matches('input, button, a, summary, [tabindex="0"]') ? 'control' : 'page'
}
