/** How the thread of isolated-guard.mjs begins: TypeScript first. */
import { register } from 'tsx/esm/api'

register()
await import('./isolated-work.ts')
