/** The keyboard of the vote card. Pure: what a key means, given where the focus is. */
export type Shortcut =
  | { do: 'rate'; rating: number }
  | { do: 'compassion'; by: number }
  | { do: 'clear-compassion' }
  | { do: 'submit' }
  | { do: 'skip' }
  | { do: 'withdraw' }

/** `typing`: a text field; `control`: anything else that has its own use for Enter and the arrows. */
export type Focus = 'typing' | 'control' | 'page'

export interface Key {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  repeat: boolean
}

export function shortcutOf(pressed: Key, focus: Focus): Shortcut | null {
  const command = pressed.ctrlKey || pressed.metaKey
  if (command && pressed.key === 'Enter') return { do: 'submit' }
  if (command || pressed.altKey || focus === 'typing') return null
  if (/^[0-9]$/.test(pressed.key)) return { do: 'rate', rating: pressed.key === '0' ? 10 : Number(pressed.key) }
  if (focus === 'page' && pressed.key === 'ArrowLeft') return { do: 'compassion', by: -0.1 }
  if (focus === 'page' && pressed.key === 'ArrowRight') return { do: 'compassion', by: 0.1 }
  if (pressed.repeat) return null
  if (pressed.key === 'Backspace' || pressed.key === 'Delete') return { do: 'clear-compassion' }
  if (focus === 'page' && pressed.key === 'Enter') return { do: 'submit' }
  if (pressed.key === 's' || pressed.key === 'S') return { do: 'skip' }
  if (pressed.key === 'z' || pressed.key === 'Z') return { do: 'withdraw' }
  return null
}

export function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof HTMLElement)) return 'page'
  if (target.isContentEditable || target.matches('textarea, select, input:not([type=range], [type=radio], [type=checkbox])')) {
    return 'typing'
  }
  return target.matches('input, button, a, summary') ? 'control' : 'page'
}
