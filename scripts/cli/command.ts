/**
 * How the commands of this repository are declared, explained and run: options by `options.ts`, parsing and help by
 * commander. Exit codes: 0, done, or help was requested; 1, it failed; 2, the command line is invalid.
 */
import { Argument, Command as Commander, CommanderError, Option as CommanderOption } from 'commander'
import { Misuse, type Option } from './options.ts'

type Options = Readonly<Record<string, Option<unknown>>>
type Values<O extends Options> = { [K in keyof O]: O[K] extends Option<infer T> ? T : never }

/** A command's positional arguments: one value, or any number of them. */
export interface Positional {
  value: string
  what: string
  many?: true
}

/** Commander refuses a command line with more or fewer. */
type Given<T extends Positional | undefined> = T extends { many: true }
  ? readonly string[]
  : T extends Positional
    ? readonly [string]
    : readonly []

/** A command, or a group of them; a run resolves to `R`. */
export interface Command<R> {
  name: string
  /** Those below it, by name. */
  names: readonly string[]
  /** `done` receives what a run resolved to. */
  build: (done: (result: R) => void) => Commander
}

interface Described {
  /** As it is typed: `npm run crowd --`, or the name of one command of a group. */
  name: string
  /** One line. */
  summary: string
  /** Further help text. */
  detail?: string
}

/** @param spec `run` receives the options' values, by their names in camel case, and the positional arguments. */
export function command<O extends Options, R, const T extends Positional | undefined = undefined>(
  spec: Described & {
    takes?: T
    options: O
    run: (values: Values<O>, given: Given<T>) => Promise<R>
  },
): Command<R> {
  return {
    name: spec.name,
    names: [],
    build(done) {
      const built = base(spec, (error) => misuseOf(error, spec, built.args))
      if (spec.takes) built.addArgument(argumentOf(spec.takes))
      for (const [key, option] of Object.entries(spec.options)) built.addOption(optionOf(key, option))
      return built.action(async () => {
        demandNeeded(spec, built.opts())
        // Commander leaves a switch undefined that is not given.
        const switches = Object.entries(spec.options).filter(([, { value }]) => value === null)
        const off = Object.fromEntries(switches.map(([key, { otherwise }]) => [key, otherwise]))
        done(await spec.run({ ...off, ...built.opts<Values<O>>() }, built.args as readonly string[] as Given<T>))
      })
    },
  }
}

/** @param spec `noun` is what its commands are called; `otherwise` names the default command. */
export function group<R>(
  spec: Described & { noun: string; commands: readonly Command<R>[]; otherwise?: string },
): Command<R> {
  const names = spec.commands.map(({ name }) => name)
  return {
    name: spec.name,
    names,
    build(done) {
      const built = base(spec, (error) => {
        if (error.code === 'commander.help') return new Misuse(`which ${spec.noun}? one of ${names.join(', ')}`)
        if (error.code !== 'commander.unknownCommand') return misuseOf(error, {}, [])
        const [, meant = ''] = error.message.split('\n')
        return new Misuse(`there is no ${spec.noun} ${built.args[0]}${meant && ` ${meant}`}`)
      })
      for (const { name, build } of spec.commands) built.addCommand(build(done), { isDefault: name === spec.otherwise })
      return built
    },
  }
}

/** Resolves to the command's result; to null if its help was requested, which has then been printed. */
export async function execute<R>(command: Command<R>, args: readonly string[]): Promise<R | null> {
  const results: R[] = []
  try {
    await command.build((result) => results.push(result)).parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
  }
  return results[0] ?? null
}

/**
 * Runs this process's command, and resolves to its result; to null if there is none. `failed` prints what went wrong,
 * unless it was the command line.
 */
export async function main<R>(
  command: Command<R>,
  failed: (error: unknown) => void = (error) => console.error(error instanceof Error ? error.message : error),
  args: readonly string[] = process.argv.slice(2),
): Promise<R | null> {
  try {
    return await execute(command, args)
  } catch (error) {
    process.exitCode = error instanceof Misuse ? 2 : 1
    if (!(error instanceof Misuse)) {
      failed(error)
      return null
    }
    const named = command.names.filter((name) => name === args[0])
    console.error(`${error.message}\n${[command.name, ...named].join(' ')} --help says what can be given`)
    return null
  }
}

/** How commander runs every command: it never exits by itself, and writes only help. */
function base({ name, summary, detail }: Described, misuse: (error: CommanderError) => Misuse): Commander {
  return new Commander(name)
    .summary(summary)
    .description(detail === undefined ? summary : `${summary}\n\n${detail}`)
    .helpOption('--help', 'shows this help')
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : misuse(error)
    })
}

const argumentOf = ({ value, what, many }: Positional): Argument => new Argument(many ? `[${value}...]` : value, what)

function optionOf(
  key: string,
  { value, what, read, choices, needed, otherwise, shown }: Option<unknown>,
): CommanderOption {
  const name = nameOf(key, otherwise === true)
  const option = new CommanderOption(value === null ? name : `${name} <${value}>`, needed ? `${what} (needed)` : what)
  if (choices) option.choices(choices)
  if (value !== null) option.argParser((given: string) => read(given, name))
  if (value !== null && otherwise !== undefined) option.default(otherwise, shown)
  return option
}

/** Commander would report these missing before it reports an unknown option: a required one, mistyped. */
function demandNeeded(spec: Described & { options: Options }, given: Readonly<Record<string, unknown>>): void {
  const needed = Object.entries(spec.options).flatMap(([key, option]) => (option.needed ? [key] : []))
  if (needed.every((key) => given[key] !== undefined)) return
  throw new Misuse(`${shortName(spec)} needs ${needed.map((key) => nameOf(key, false)).join(' and ')}`)
}

/** `npm run crowd --` is crowd. */
const shortName = ({ name }: Described): string => name.replace(/^npm (run )?| --$/g, '')

/** `maxNewTokens` is `--max-new-tokens`. */
const nameOf = (key: string, negated: boolean): string =>
  `--${negated ? 'no-' : ''}${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

function misuseOf(error: CommanderError, spec: { takes?: Positional }, given: readonly string[]): Misuse {
  switch (error.code) {
    case 'commander.missingArgument':
    case 'commander.excessArguments':
      return new Misuse(
        spec.takes
          ? `one ${spec.takes.what} is needed, not ${given.length}`
          : `only options are taken, not ${given.join(' ')}`,
      )
    default:
      return new Misuse(error.message.replace(/^error: /, '').replace('\n', ' '))
  }
}
