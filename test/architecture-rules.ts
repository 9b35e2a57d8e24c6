/** The import rules of ARCHITECTURE.md, for dependency-cruiser; `architecture.test.ts` runs them. */
import type { ICruiseOptions, IForbiddenRuleType, IResolveOptions } from 'dependency-cruiser'

type Rule = IForbiddenRuleType & { name: string }

/** The rooms from the lowest up; each may import those of the rows below its own, and itself. */
const rows: readonly (readonly string[])[] = [
  ['lm', 'contracts/ledger'],
  ['core', 'contracts/solidity'],
  ['trainer', 'contracts/recorder', 'client'],
  ['server'],
  ['scripts'],
]

/** One rule a room: it imports none of its own row, and none of those above. */
const downwards: Rule[] = rows.flatMap((row, i) =>
  row.map((room) => {
    const others = rows
      .slice(i)
      .flat()
      .filter((other) => other !== room)
    return {
      name: `${room.replace('/', '-')}-imports-downwards`,
      severity: 'error',
      from: { path: `^${room}/` },
      to: { path: `^(${[...others, 'test'].join('|')})/` },
    } as const
  }),
)

/** Node's own modules that reach outside the process or aren't a function of their arguments. */
const impureCore =
  '^(node:)?(fs|fs/promises|net|http|https|http2|dns|tls|dgram|child_process|cluster|worker_threads|crypto|timers|timers/promises|process|os|perf_hooks|readline|repl|v8|vm)$'
const pure = '^(trainer/(rl|reward)|core/votes|contracts/ledger/epoch)/'

export const forbidden: Rule[] = [
  ...downwards,
  {
    name: 'no-circle',
    severity: 'error',
    // The operations of the graph are defined by one another, as their gradients are: a sum's gradient is a broadcast,
    // and a broadcast's a sum.
    from: { pathNot: '^lm/graph/' },
    to: { circular: true },
  },
  {
    name: 'protocol-imports-only-zod-and-constants',
    severity: 'error',
    from: { path: '^core/protocol/' },
    to: {
      pathNot: '(^|/)node_modules/zod/|^core/protocol/|^lm/files/limits\\.ts$|^contracts/ledger/epoch/reasons\\.ts$',
    },
  },
  {
    name: 'constants-import-nothing',
    severity: 'error',
    from: { path: '^(lm/files/limits|contracts/ledger/epoch/reasons)\\.ts$' },
    to: { path: '.' },
  },
  {
    name: 'client-knows-protocol-and-ledger-alone',
    severity: 'error',
    from: { path: '^client/' },
    to: { path: '^(core/(?!protocol/)|lm/)' },
  },
  {
    name: 'trainer-imports-no-web-server',
    severity: 'error',
    from: { path: '^trainer/' },
    to: { path: '(^|/)node_modules/(express|socket\\.io)/', reachable: true },
  },
  {
    name: 'graph-imports-no-engine',
    severity: 'error',
    from: { path: '^lm/graph/' },
    to: { path: '^lm/engines/|(^|/)node_modules/(onnxruntime-[^/]+|@tensorflow)/', reachable: true },
  },
  {
    name: 'engine-knows-nothing-of-models',
    severity: 'error',
    from: { path: '^lm/engines/' },
    to: { path: '^lm/(?!engines/|graph/)', reachable: true },
  },
  {
    name: 'pure-does-no-io',
    severity: 'error',
    from: { path: pure },
    to: { dependencyTypes: ['core'], path: impureCore },
  },
  {
    name: 'pure-imports-nothing-that-does-io',
    severity: 'error',
    from: { path: '^(trainer/rl|core/votes)/' },
    to: {
      path: '^(core/(?!votes/|protocol/|statistics\\.ts)|lm/(engines/(?!engine\\.ts)|isolated/)|trainer/(?!rl/|reward/)|contracts/(?!ledger/epoch/reasons\\.ts)|server/|scripts/)',
      reachable: true,
    },
  },
]

export const options: ICruiseOptions = {
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '^(client/dist|contracts/build)/' },
  tsPreCompilationDeps: true,
}

export const resolution: Partial<IResolveOptions> = {
  extensions: ['.ts', '.svelte', '.js', '.mjs'],
  conditionNames: ['import', 'node', 'default'],
  exportsFields: ['exports'],
}
