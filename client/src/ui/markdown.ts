/**
 * Markdown as raters see it: markdown-it with everything off that hides or fetches something. HTML is shown as plain
 * text, an image as a link, a link with its target's host, and every space at the start of a line stays where it was:
 * models write code without fences, too. The output is sanitised once more before it is put on a page (Said.svelte).
 */
import MarkdownIt, { type StateBlock, type StateInline, type Token } from 'markdown-it'

const limits = {
  /** A longer text is shown as is, characters. */
  chars: 20_000,
  /** Quotes and lists nested in each other; a text with more is shown as is. */
  nesting: 20,
  /** Blocks, spans and breaks of one text; a text with more is shown as is. A page of prose has 100. */
  tokens: 4_000,
  /** Columns of a table; a text with a wider one is shown as is. */
  columns: 40,
} as const

type Env = Record<string, unknown> & { tooDeep?: boolean }

const md = new MarkdownIt({ html: false, linkify: false, typographer: false, maxNesting: limits.nesting })
// `reference` would swallow lines, `image` would load from anywhere, `code` would shift a block that is
// indented, and `lheading` would turn a line into a heading for as long as its list is being written.
md.disable(['reference', 'image', 'code', 'lheading', 'html_block', 'html_inline'])
md.validateLink = (url) => /^(https?:\/\/|mailto:)/i.test(url)

// markdown-it leaves out what is nested deeper than its limit.
md.block.ruler.before('table', 'depth', (state) => {
  // A list and its item are two levels.
  if (state.level >= limits.nesting - 2) (state.env as Env).tooDeep = true
  return false
})

/** A paragraph keeps the indentation of its first line. */
md.block.ruler.at('paragraph', (state: StateBlock, start: number, end: number): boolean => {
  const terminators = md.block.ruler.getRules('paragraph')
  const parent = state.parentType
  state.parentType = 'paragraph'
  let next = start + 1
  for (; next < end && !state.isEmpty(next); next++) {
    if (state.sCount[next]! - state.blkIndent > 3 || state.sCount[next]! < 0) continue
    if (terminators.some((rule) => rule(state, next, end, true))) break
  }
  const content = state.getLines(start, next, state.blkIndent, false).trimEnd()
  state.line = next
  state.push('paragraph_open', 'p', 1).map = [start, next]
  const inline = state.push('inline', '', 0)
  inline.content = content
  inline.map = [start, next]
  inline.children = []
  state.push('paragraph_close', 'p', -1)
  state.parentType = parent
  return true
})

/** A line break stays a line break, and the next line keeps its indentation. */
md.inline.ruler.at('newline', (state: StateInline, silent: boolean): boolean => {
  if (state.src[state.pos] !== '\n') return false
  if (!silent) {
    state.pending = state.pending.trimEnd()
    state.push('softbreak', 'br', 0)
  }
  state.pos++
  return true
})

md.core.ruler.push('attune', ({ tokens, Token }) => {
  tokens.forEach((token, i) => {
    token.attrs = token.attrs?.filter(([name]) => name === 'start') ?? null
    if (token.type === 'paragraph_open' || token.type === 'paragraph_close') token.hidden = false
    if (leaves.has(token.type)) token.attrSet('dir', 'auto')
    if (containers.has(token.type)) token.attrSet('dir', directionOf(textWithin(tokens, i)))
    // A heading in an answer ranks below those of the page.
    if (token.type.startsWith('heading_')) token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}`
    if (token.children)
      token.children = token.children.flatMap((child, at, all) =>
        withHost(child, at, all, (host) => Object.assign(new Token('text', '', 0), { content: ` (${host})` })),
      )
  })
})
const leaves = new Set(['paragraph_open', 'heading_open', 'th_open', 'td_open'])
const containers = new Set(['bullet_list_open', 'ordered_list_open', 'list_item_open', 'blockquote_open', 'table_open'])

md.renderer.rules.softbreak = md.renderer.rules.hardbreak = () => '\n'
md.renderer.rules.code_inline = (tokens, i) => `<code dir="auto">${escape(tokens[i]!.content)}</code>`
md.renderer.rules.fence = (tokens, i) => {
  const about = tokens[i]!.info.trim()
  const caption = about === '' ? '' : `<figcaption dir="auto">${escape(about)}</figcaption>`
  return `<figure>${caption}<pre dir="ltr" tabindex="0"><code>${escape(tokens[i]!.content)}</code></pre></figure>\n`
}
md.renderer.rules.table_open = (tokens, i, options, _env, self) =>
  `<div tabindex="0">${self.renderToken(tokens, i, options)}`
md.renderer.rules.table_close = () => '</table></div>\n'

/**
 * The text as HTML; null where it is to be shown as is: it is very long, or nested or fragmented beyond what anybody
 * writes to be read.
 */
export function toHtml(text: string): string | null {
  if (text.length > limits.chars || tooWide.test(text)) return null
  const env: Env = {}
  const tokens = md.parse(text, env)
  const count = tokens.reduce((sum, { children }) => sum + 1 + (children?.length ?? 0), 0)
  if (env.tooDeep || count > limits.tokens) return null
  return md.renderer.render(tokens, md.options, env)
}

const tooWide = new RegExp(`(?:[|][^|\\n]*){${limits.columns}}`)

/** A text's direction: that of its first letter. */
export function directionOf(text: string): 'ltr' | 'rtl' {
  const [first] = /\p{L}/u.exec(text) ?? []
  return first !== undefined &&
    /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(first)
    ? 'rtl'
    : 'ltr'
}

/** The text of the block that begins at `from`. */
function textWithin(tokens: readonly Token[], from: number): string {
  const words: string[] = []
  for (let i = from + 1; i < tokens.length && tokens[i]!.level > tokens[from]!.level; i++)
    words.push(tokens[i]!.content)
  return words.join(' ')
}

/** A link opens elsewhere, sends no referrer, and has its target's host in its text. */
function withHost(token: Token, i: number, all: readonly Token[], say: (host: string) => Token): Token[] {
  if (token.type === 'link_open') {
    const href = String(token.attrGet('href'))
    token.attrs = [
      ['href', href],
      ['rel', 'noopener noreferrer nofollow'],
      ['target', '_blank'],
      ['dir', 'auto'],
    ]
  }
  if (token.type !== 'link_close') return [token]
  const open = all.findLastIndex((one, at) => at < i && one.type === 'link_open')
  const shown = all
    .slice(open, i)
    .map(({ content }) => content)
    .join('')
  const host = hostOf(String(all[open]!.attrGet('href')))
  return shown.includes(host) ? [token] : [say(host), token]
}

function hostOf(href: string): string {
  try {
    return new URL(href).host || href
  } catch {
    // What is not a valid address has no host: it is shown whole.
    return href
  }
}

const escape = md.utils.escapeHtml
