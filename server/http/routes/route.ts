import type { z } from 'zod'
import type { Deps } from '../../deps.ts'
import type { Caller, Permission } from '../../../core/permissions.ts'
import { parseStrictly, refuseAny } from '../../limits/strict.ts'
import type { Body } from '../../models/uploads.ts'

/** What a route needs: a permission, or `public`: open to everybody. No route is without one (rule S3). */
export type Access = Permission | 'public'

export type UploadType = 'multipart/form-data' | 'application/x-ndjson'

/** One route as the app mounts it and `/api/docs` describes it. */
export interface Route {
  method: 'get' | 'post' | 'delete'
  /** In the syntax that Express and the OpenAPI document share: `/api/training/:sessionId`. */
  path: string
  access: Access
  summary: string
  params: z.ZodType | undefined
  query: z.ZodType | undefined
  body: z.ZodType | undefined
  /** The `data` of the answer. */
  answer: z.ZodType
  status: number
  /** The response's media type if it is sent without the envelope, because its readers don't know it; else null. */
  bare: string | null
  /** Whether the handler returns a file's path, and the file is sent. */
  file: boolean
  /** Whether the handler returns a download (server/http/download.ts), which is sent while it is made. */
  download: boolean
  /** The media type of a body that the route reads itself as it arrives; else null. */
  upload: UploadType | null
  /** Tokens of the caller's bucket that a request costs; more than 1 if it is expensive. */
  cost: number
  /** Parses and handles. @throws ZodError, AttuneError */
  run: (
    deps: Deps,
    caller: Caller | null,
    raw: { params: unknown; query: unknown; body: unknown; stream: Body; address: string; host: string },
  ) => Promise<unknown>
}

interface Spec<A extends Access, P, Q, B, D extends z.ZodType> {
  access: A
  summary: string
  params?: z.ZodType<P>
  query?: z.ZodType<Q>
  body?: z.ZodType<B>
  answer: D
  status?: number
  bare?: string
  file?: boolean
  download?: boolean
  upload?: UploadType
  cost?: number
  /** `caller` is whoever sent a valid token; a route that needs a permission always has one. */
  handle: (request: {
    deps: Deps
    caller: A extends 'public' ? Caller | null : Caller
    params: P
    query: Q
    body: B
    stream: Body
    /** Where the request came from, behind as many proxies as are trusted. */
    address: string
    /** The host that it requested there, with its port, if any. */
    host: string
  }) => Promise<z.output<D>> | z.output<D>
}

/** Declares a route: `route('get', '/api/models', { access: 'read', … })`. */
export function route<A extends Access, P = undefined, Q = undefined, B = undefined, D extends z.ZodType = z.ZodType>(
  method: Route['method'],
  path: string,
  spec: Spec<A, P, Q, B, D>,
): Route {
  const {
    access,
    summary,
    params,
    query,
    body,
    answer,
    status = 200,
    bare = null,
    file = false,
    download = false,
    upload = null,
    cost = 1,
    handle,
  } = spec
  return {
    method,
    path,
    access,
    summary,
    params,
    query,
    body,
    answer,
    status,
    bare,
    file,
    download,
    upload,
    cost,
    async run(deps, caller, raw) {
      return handle({
        deps,
        // The app has checked `access` before it runs a route.
        caller: caller as A extends 'public' ? Caller | null : Caller,
        params: (params ? parseStrictly(params, raw.params) : undefined) as P,
        query: readQuery(query, raw.query) as Q,
        body: readBody(body, raw.body) as B,
        stream: raw.stream,
        address: raw.address,
        host: raw.host,
      })
    },
  }
}

/** A query is read as strictly as a body; names that begin with `_` are for caches and traces, and ignored. */
function readQuery<Q>(schema: z.ZodType<Q> | undefined, raw: unknown): Q | undefined {
  const sent = Object.fromEntries(Object.entries(raw ?? {}).filter(([name]) => !name.startsWith('_')))
  if (schema !== undefined) return parseStrictly(schema, sent)
  refuseAny(sent, 'this route reads no such parameter')
  return undefined
}

function readBody<B>(schema: z.ZodType<B> | undefined, raw: unknown): B | undefined {
  if (schema !== undefined) return parseStrictly(schema, raw)
  refuseAny(raw, 'this route reads nothing of a body')
  return undefined
}
