/** Small schemas that messages are made of. */
import { z } from 'zod'
import { limits } from './limits.ts'

export const unit = z.number().min(0).max(1)

export const text = z.string().max(limits.textChars)

export const name = z.string().trim().min(1).max(64)

export const list = z.array(z.string().trim().min(1).max(200)).max(limits.listItems)

export const SessionId = z.string().regex(/^[a-z0-9-]{1,64}$/, 'a session id is 1–64 characters of a–z, 0–9 and -')

export const Uuid = z.uuid()

/** A position in a session's event log: increasing, opaque, comparable only for equality by clients. */
export const Seq = z.string().regex(/^\d+-\d+$/)

export const Role = z.enum(['contributor', 'trainer', 'validator', 'admin'])
export type Role = z.infer<typeof Role>

/** An amount of a token, in its smallest unit. */
export const Amount = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,28})$/, 'an amount is a whole number, in the smallest unit of its token')

export const Address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an address is 0x and 40 hex digits')

export const Hash = z.string().regex(/^0x[0-9a-f]{64}$/, 'a hash is 0x and 64 hex digits in lower case')
