import { afterEach, describe, expect, test, vi } from 'vitest'
import { command, execute, group } from '../../scripts/cli/command.ts'
import { flag, Misuse, number, oneOf, parsed, text, unless, whole } from '../../scripts/cli/options.ts'

const measure = command({
  name: 'measure',
  summary: 'measures something',
  takes: { value: 'FILE', what: 'file' },
  options: {
    out: text('DIR', 'where it goes'),
    maxCount: whole('COUNT', 'how many', { least: 1 }).or(3),
    share: number('SHARE', 'of all', { above: 0, most: 1 }).optional(),
    by: oneOf('WHAT', 'goes by', ['time', 'size']).or('time'),
    pair: parsed('A,B', 'two', (given) => given.split(',')).or([]),
    loud: flag('says more'),
    colour: unless('without colours'),
  },
  run: async (values, given) => ({ values, given }),
})
const tools = group({
  name: 'npm run tools --',
  summary: 'tools',
  noun: 'tool',
  commands: [measure, command({ name: 'list', summary: 'lists', options: {}, run: async () => null })],
})

afterEach(() => void vi.restoreAllMocks())
const refusal = (...args: string[]): Promise<string> =>
  execute(tools, args).then(
    () => 'nothing was refused',
    (error: unknown) => (error instanceof Misuse ? error.message : `not a misuse: ${String(error)}`),
  )

describe('a command line', () => {
  test('gives each option as it was declared, and its default where it is not given', async () => {
    expect(await execute(tools, ['measure', 'x', '--out', 'y'])).toEqual({
      values: { out: 'y', maxCount: 3, by: 'time', pair: [], loud: false, colour: true },
      given: ['x'],
    })
    const all = ['--max-count', '5', '--share=0.5', '--by', 'size', '--pair', 'a,b', '--loud', '--no-colour']
    expect(await execute(tools, ['measure', '--out', 'y', ...all, 'x'])).toEqual({
      values: { out: 'y', maxCount: 5, share: 0.5, by: 'size', pair: ['a', 'b'], loud: true, colour: false },
      given: ['x'],
    })
  })

  test.each([
    [['measure', 'x'], 'measure needs --out'],
    [['measure', '--out', 'y'], 'one file is needed, not 0'],
    [['measure', 'x', 'z', '--out', 'y'], 'one file is needed, not 2'],
    [['measure', 'x', '--out', 'y', '--max-count', '0'], '--max-count is a whole number from 1 on, not "0"'],
    [['measure', 'x', '--out', 'y', '--max-count', '1.5'], '--max-count is a whole number from 1 on, not "1.5"'],
    [['measure', 'x', '--out', 'y', '--share', ' '], '--share is a number above 0 and at most 1, not " "'],
    [['measure', 'x', '--out', 'y', '--by', 'tim'], '--by is one of time, size, not "tim"'],
    [['measure', 'x', '--uot', 'y'], "unknown option '--uot' (Did you mean --out?)"],
    [['measure', 'x', '--out'], "option '--out <DIR>' argument missing"],
    [['list', 'x'], 'only options are taken, not x'],
    [['mesure'], 'there is no tool mesure (Did you mean measure?)'],
    [[], 'which tool? one of measure, list'],
  ])('that does not say what to do is refused in one line: %j', async (args, message) => {
    expect(await refusal(...args)).toBe(message)
  })

  test('is explained on the standard output, and nothing is run', async () => {
    const said: string[] = []
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
    expect(await execute(tools, ['measure', '--help'])).toBeNull()
    expect(await execute(tools, ['help', 'list'])).toBeNull()
    const [measured = '', listed = ''] = said
    expect(measured).toMatch(/^Usage: npm run tools -- measure \[options\] <FILE>\n/)
    expect(measured).toMatch(/--out <DIR> +where it goes \(needed\)/)
    expect(measured).toMatch(/--max-count <COUNT> +how many \(default: 3\)/)
    expect(measured).toMatch(/--no-colour +without colours\n/)
    expect(listed).toMatch(/^Usage: npm run tools -- list/)
  })
})
