import { createRequire } from 'node:module'

/** anvil's binary in the platform's package, so that a signal reaches anvil itself and not a wrapper. */
export function anvilPath(): string {
  const require = createRequire(import.meta.url)
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const binary = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  return createRequire(require.resolve('@foundry-rs/anvil/package.json')).resolve(
    `@foundry-rs/anvil-${process.platform}-${arch}/bin/${binary}`,
  )
}

/**
 * anvil's arguments for a private chain that outlives its process.
 *
 * anvil writes its state on SIGINT, and not on SIGTERM, so end it with SIGINT;
 * the interval bounds what a kill loses, which the recorder then sends again. A
 * block is mined for each transaction and none without, so an idle chain does
 * not grow.
 *
 * @param state state file; read at the start if there. anvil writes it in place: a kill may leave half of one, on which
 *   it does not start
 * @param saveEvery seconds between two writings of the whole file
 */
export function anvilArgs({
  host = '127.0.0.1',
  port,
  chainId = 31_337,
  state,
  saveEvery = 5,
}: ChainProcess): string[] {
  const kept = state === undefined ? [] : ['--state', state, '--state-interval', String(saveEvery)]
  // Without --no-cors every web page that the developer's browser shows could send transactions of anvil's rich
  // accounts.
  return ['--host', host, '--no-cors', '--port', String(port), '--chain-id', String(chainId), '--quiet', ...kept]
}

export type ChainProcess = { host?: string; port: number; chainId?: number; state?: string; saveEvery?: number }
