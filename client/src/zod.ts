/**
 * Imported before any schema is made: zod would otherwise try `new Function`, which the page's security policy forbids
 * and reports.
 */
import { config } from 'zod/v4/core'

config({ jitless: true })
