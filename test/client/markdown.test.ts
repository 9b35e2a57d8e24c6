import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partsOf } from '../../client/src/ui/invisible.ts'
import { directionOf, toHtml } from '../../client/src/ui/markdown.ts'

/** The text of rendered HTML. */
const textOf = (html: string): string =>
  html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
const lettersOf = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '')

describe('raters see what they judge', () => {
  test('code keeps its indentation, fenced and not', () => {
    const code = 'def f(x):\n    if x:\n        return 1\n\n    return 2'
    expect(textOf(toHtml(`\`\`\`python\n${code}\n\`\`\``) ?? '')).toContain(code)
    const lines = textOf(toHtml(code) ?? '').split('\n')
    for (const line of code.split('\n').filter((line) => line !== '')) expect(lines).toContain(line)
    expect(textOf(toHtml('\tone\n\t\ttwo') ?? '')).toContain('\tone\n\t\ttwo')
  })

  test('what a fence is said to hold is shown above it', () => {
    expect(textOf(toHtml('```js // not run\nx\n```') ?? '')).toContain('js // not run')
  })

  test('lines stay lines', () => {
    expect(toHtml('one\ntwo')).toBe('<p dir="auto">one\ntwo</p>\n')
  })

  test('lists, emphasis, headings, quotes and tables are laid out', () => {
    const html = toHtml('# A\n\n- **b**\n- *c*\n\n> d\n\n| e |\n|---|\n| f |') ?? ''
    for (const tag of ['h3', 'ul', 'li', 'strong', 'em', 'blockquote', 'table', 'th', 'td'])
      expect(html).toContain(`<${tag}`)
  })

  test('every block has a direction of its own', () => {
    const html = toHtml('مرحبا\n\nHello\n\n- سلام') ?? ''
    expect(html.match(/<p dir="auto">/g)).toHaveLength(3)
    expect(html).toContain('<ul dir="rtl">')
    expect(['مرحبا', '1. שלום', 'Hello مرحبا', '123', ''].map(directionOf)).toEqual(['rtl', 'rtl', 'ltr', 'ltr', 'ltr'])
  })

  test('no letter of an answer is lost, however its Markdown is broken off', () => {
    const bit = fc.constantFrom(
      'word',
      'é',
      'ع',
      ' ',
      '\n',
      '\n\n',
      '*',
      '**',
      '_',
      '`',
      '```',
      '- ',
      '1. ',
      '> ',
      '# ',
      '|',
      '|---|',
      '~~',
      '[',
      ']',
      '(',
      ')',
      '!',
      ':',
      '<b>',
      '    ',
      '---',
      '===',
      '\\',
    )
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 60 }), (bits) => {
        // An ordered list counts by itself, and an address of a link is not in its text.
        const source = bits.join('').replaceAll('1. ', '- ').replaceAll('](', '] (')
        const html = toHtml(source)
        return html === null || lettersOf(textOf(html)) === lettersOf(source)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a line that will be a list is no heading meanwhile, and a definition of a link no gap', () => {
    expect(toHtml('Take care\n-')).not.toContain('<h')
    expect(textOf(toHtml('[x]: https://a.example "hidden words"') ?? '')).toContain('hidden words')
  })
})

describe('an answer does nothing to the page', () => {
  test('HTML is shown as the text that it is', () => {
    const html =
      toHtml(
        '<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> <b id=app class=card style="position:fixed">hi</b> <!-- gone? -->',
      ) ?? ''
    expect(html).not.toMatch(/<(script|img|b)\b/)
    expect(textOf(html)).toContain('<img src=x onerror=alert(1)>')
    expect(textOf(html)).toContain('<!-- gone? -->')
  })

  test('nothing is fetched: an image is a link', () => {
    expect(toHtml('![pixel](https://track.example/p.png)')).not.toContain('<img')
  })

  test('a link says where it leads, opens elsewhere and hands nothing on', () => {
    const html = toHtml('[your bank](https://evil.example/login "title")') ?? ''
    expect(html).toContain('rel="noopener noreferrer nofollow"')
    expect(html).toContain('target="_blank"')
    expect(textOf(html)).toContain('your bank (evil.example)')
    expect(html).not.toContain('title=')
  })

  test('links lead to other sites alone', () => {
    for (const href of [
      'javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      'data:text/html,x',
      'vbscript:x',
      '/api/auth/logout',
      '//evil.example',
      '#main',
      'file:///etc/passwd',
      'blob:https://a/b',
    ]) {
      expect(toHtml(`[x](${href}) <${href}>`), href).not.toContain('<a')
    }
  })

  test('hostile Markdown of 8,000 characters is bounded work and bounded output', () => {
    const n = 8_000
    const fill = (bit: string) => bit.repeat(Math.ceil(n / bit.length)).slice(0, n)
    const hostile = [
      '[',
      '[a](',
      '![[',
      '>',
      '> ',
      '*a **a ',
      '_a',
      '~~a',
      '`a``',
      '<',
      '<a ',
      '&',
      '&lt;',
      '\\',
      '- ',
      '1. ',
      '```\n',
      '|a',
      '|a|\n|-|\n',
      '[*`',
      '(',
      '<http:',
      '\n> - ',
    ].map(fill)
    hostile.push(
      `${'|a'.repeat(500)}|\n${'|-'.repeat(500)}|\n${'|x\n'.repeat(2_000)}`,
      Array.from({ length: 100 }, (_, i) => `${' '.repeat(2 * i)}- a`)
        .join('\n')
        .slice(0, n),
    )
    // Measured against ordinary prose of the same length, on the same machine at the same time.
    const time = (text: string): number => {
      const start = performance.now()
      toHtml(text)
      return performance.now() - start
    }
    const prose = fill('You are **not** alone. ')
    time(prose)
    const usual = Math.max(1, ...[1, 2, 3].map(() => time(prose)))
    for (const text of hostile) {
      expect(time(text), JSON.stringify(text.slice(0, 12))).toBeLessThan(200 * usual)
      expect(toHtml(text)?.length ?? 0).toBeLessThan(20 * n)
    }
  })

  test('what is nested or cut up beyond reading is shown as it is', () => {
    for (const text of ['>'.repeat(100), '- a\n'.repeat(3_000), 'x'.repeat(30_000)]) expect(toHtml(text)).toBeNull()
  })
})

test('the raw view marks what can’t be seen, and loses nothing', () => {
  expect(partsOf('a\u202eb')).toEqual([
    { text: 'a', code: null },
    { text: '\u202e', code: 'U+202E' },
    { text: 'b', code: null },
  ])
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\n', '\u202e', '\u200b', '\u2066', 'ع', '👩', '\ufeff') }),
      (text) =>
        partsOf(text)
          .map((part) => part.text)
          .join('') === text,
    ),
  )
})
