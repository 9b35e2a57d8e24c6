/** How the thread of guard.mjs begins: TypeScript first. */
import { register } from 'tsx/esm/api'

register()
await import('./work.ts')
