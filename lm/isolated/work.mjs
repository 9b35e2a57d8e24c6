/** Entry of the thread of guard.mjs: registers TypeScript first. */
import { register } from 'tsx/esm/api'

register()
await import('./work.ts')
