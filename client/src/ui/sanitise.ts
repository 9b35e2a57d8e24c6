/** What of somebody else's text may be on a page: DOMPurify, with a short allowlist. */
import DOMPurify from 'dompurify'

const tags = [
  'p',
  'h3',
  'h4',
  'h5',
  'h6',
  'strong',
  'em',
  's',
  'code',
  'pre',
  'figure',
  'figcaption',
  'blockquote',
  'ul',
  'ol',
  'li',
  'table',
  'thead',
  'tbody',
  'tr',
  'th',
  'td',
  'div',
  'a',
  'hr',
]

const plain = ['rel', 'target', 'dir', 'tabindex', 'start']

/** No image, no style, no name that the page's own parts use: only words, and links out of here. */
export function sanitised(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: tags,
    ALLOWED_ATTR: ['href', ...plain],
    // DOMPurify checks every other value against the pattern for addresses.
    ADD_URI_SAFE_ATTR: plain,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  })
}

/**
 * Replaces the content of `host` with `next`, and leaves every unchanged block alone: a text that grows doesn't
 * flicker, and nobody loses their place in it.
 */
export function patch(host: HTMLElement, next: DocumentFragment): void {
  const fresh = [...next.childNodes]
  fresh.forEach((node, i) => {
    const old = host.childNodes[i]
    if (old === undefined) host.append(node)
    else if (!old.isEqualNode(node)) old.replaceWith(node)
  })
  while (host.childNodes.length > fresh.length) host.lastChild?.remove()
}
