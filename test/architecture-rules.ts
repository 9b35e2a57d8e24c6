/** The import rules of ARCHITECTURE.md, for dependency-cruiser; `architecture.test.ts` runs them. */
import type { ICruiseOptions, IForbiddenRuleType, IResolveOptions } from 'dependency-cruiser'

/** Node's own modules that reach outside the process or aren't a function of their arguments. */
const impureCore =
  '^(node:)?(fs|fs/promises|net|http|https|http2|dns|tls|dgram|child_process|cluster|worker_threads|crypto|timers|timers/promises|process|os|perf_hooks|readline|repl|v8|vm)$'

export const forbidden: (IForbiddenRuleType & { name: string })[] = [
  {
    name: 'protocol-imports-only-zod',
    severity: 'error',
    from: { path: '^server/protocol(-rewards)?\\.ts$' },
    to: { pathNot: '(^|/)node_modules/zod/|^server/protocol\\.ts$' },
  },
  {
    name: 'client-imports-only-protocol-from-server',
    severity: 'error',
    from: { path: '^client/' },
    to: {
      path: '^(server|trainer|contracts|scripts|test)/',
      pathNot: '^(server/protocol(-rewards)?|contracts/(leaf|abi))\\.ts$',
    },
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
    from: { path: '^trainer/graph/' },
    to: { path: '^trainer/engines/|(^|/)node_modules/(onnxruntime-[^/]+|@tensorflow)/', reachable: true },
  },
  {
    name: 'engine-knows-nothing-of-models',
    severity: 'error',
    from: { path: '^trainer/engines/' },
    to: { path: '^trainer/(models|rl|reward)/|^server/', reachable: true },
  },
  {
    name: 'rl-and-feedback-do-no-io',
    severity: 'error',
    from: { path: '^(trainer/rl|server/feedback)/' },
    to: { dependencyTypes: ['core'], path: impureCore },
  },
  {
    name: 'rl-and-feedback-import-nothing-that-does-io',
    severity: 'error',
    from: { path: '^(trainer/rl|server/feedback)/' },
    to: {
      path: '^(server/(?!feedback/|protocol\\.ts)|contracts/|scripts/|trainer/(engines/(?!engine\\.ts)|[^/]+\\.ts))',
      reachable: true,
    },
  },
  {
    name: 'processes-import-no-script-and-no-test',
    severity: 'error',
    from: { path: '^(server|trainer|contracts|client)/' },
    to: { path: '^(scripts|test)/' },
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
