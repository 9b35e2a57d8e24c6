/**
 * Compiles the contracts if their sources have changed; in a process of its own, since the compiler blocks the process
 * that it runs in.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Build } from './client-build.ts'
import { hashFiles, sources } from './client-build.ts'
import { runOnce } from './run-once.ts'

export async function compileContracts({ root, cache, env, log }: Build): Promise<boolean> {
  const stamp = join(root, 'contracts', 'build', '.built-from')
  const files = sources(root, 'contracts').filter((file) => file.endsWith('.sol') || file.endsWith('/compile.ts'))
  const hash = hashFiles(root, ['package-lock.json', ...files])
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return false
  const scratch = mkdtempSync(join(cache, 'contracts-'))
  try {
    await runOnce({
      name: 'the compilation of the contracts',
      command: process.execPath,
      args: [
        '--import',
        'tsx',
        '--input-type=module',
        '--eval',
        "import { artifact } from './contracts/solidity/compile.ts'; artifact('ContributionLedger')",
      ],
      env,
      cwd: root,
      log,
      pidFile: join(scratch, 'build.json'),
      stopSignal: 'SIGTERM',
      graceMs: 2_000,
    })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  writeFileSync(stamp, hash)
  return true
}
