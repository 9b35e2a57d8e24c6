/** How a thread of isolated.ts begins: TypeScript first. */
import { register } from 'tsx/esm/api'

register()
await import('./isolated-work.ts')
