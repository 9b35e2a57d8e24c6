import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import cors from 'cors'
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import helmet from 'helmet'
import { pinoHttp } from 'pino-http'
import { hostOf } from '../auth/address.ts'
import { createBuckets } from '../limits/rate-limit.ts'
import type { Config } from '../../core/config.ts'
import { expectUpload } from '../limits/connections.ts'
import type { Deps } from '../deps.ts'
import { AttuneError, httpStatus, toAttuneError } from '../../core/errors.ts'
import { sendDownload, type Download } from './download.ts'
import { checkHealth } from './health.ts'
import { lately } from './lately.ts'
import { networkOf } from '../limits/newcomers.ts'
import { openApi } from './openapi.ts'
import { demand, type Caller } from '../../core/permissions.ts'
import { limits } from '../../core/protocol/index.ts'
import { routes } from './routes/index.ts'

export interface AppOptions {
  config: Pick<Config, 'allowedOrigins' | 'publicUrl' | 'trustProxy'>
  /** The built client; null: none is served. */
  clientDir: string | null
}

/** The HTTP side of the server: the REST API and the built client. Builds; only main.ts listens. */
export function createApp(deps: Deps, { config, clientDir }: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', config.trustProxy)
  app.use(identify)
  app.use(pinoHttp({ logger: deps.log, genReqId: (request: object) => requestIdOf(request), ...quiet }))
  app.use(helmet(headers))
  app.use(cors({ origin: originCheck(config), exposedHeaders: ['x-request-id', 'retry-after'], maxAge: 600 }))

  const look = lately(() => checkHealth(deps), limits.healthMs)
  app.get(
    '/health',
    throttleBy(createThrottle(limits.healthBurst, limits.healthPerSecond)),
    async (_request, response) => {
      const { status, ...found } = await look()
      response.status(status === 'unhealthy' ? 503 : 200).json({
        status,
        timestamp: new Date().toISOString(),
        uptime: process.uptime(),
        memory: process.memoryUsage(),
        version,
        ...found,
      })
    },
  )

  const spend = createThrottle(limits.restBurst, limits.restPerSecond)
  app.set('etag', false)
  app.use('/api', throttleBy(spend), noStore, express.json({ limit: limits.messageBytes }))
  const hostAsked = (request: Request) =>
    hostOf(request.get('host'), request.get('x-forwarded-host'), config.trustProxy)
  const document = openApi(routes, version)
  // Bare, because tools that read OpenAPI know no envelope.
  app.get('/api/docs', (_request, response) => void response.json(document))
  for (const route of routes) {
    app[route.method](route.path, async (request, response) => {
      const caller = await authenticate(deps, request)
      if (route.access !== 'public') {
        if (caller === null) throw new AttuneError('unauthenticated', 'send a token: Authorization: Bearer …')
        demand(caller, route.access)
      }
      spend(request, route.cost - 1)
      const { params, query, body = {} } = request as { params: unknown; query: unknown; body: unknown }
      if (route.upload) {
        expectUpload(request)
        // The rest of a rejected upload is not waited for.
        response.set('connection', 'close')
      }
      const data = await route.run(deps, caller, {
        params,
        query,
        body,
        stream: { headers: request.headers, stream: request },
        address: request.ip ?? '',
        host: hostAsked(request),
      })
      response.status(route.status)
      if (route.file) response.sendFile(String(data), { dotfiles: 'allow' })
      else if (route.download) await sendDownload(request, response, data as Download)
      else if (route.bare !== null) response.type(route.bare).send(data)
      else response.json({ success: true, data, ...stamp(request) })
    })
  }
  app.use('/api', () => {
    throw new AttuneError('not-found', 'there is no such route: see /api/docs')
  })
  app.use(throttleBy(createThrottle(limits.pageBurst, limits.pagePerSecond)))
  if (clientDir !== null) serveClient(app, clientDir)
  app.use(() => {
    throw new AttuneError('not-found', 'there is no such page')
  })
  app.use(onError(deps))
  return app
}

/** The version in package.json. */
export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

// ---------------------------------------------------------------- requests

const ids = new WeakMap<object, string>()
const requestIdOf = (request: object): string => ids.get(request) ?? ''
const stamp = (request: Request) => ({ timestamp: new Date().toISOString(), requestId: requestIdOf(request) })

/** Gives the request its id: the caller's `x-request-id`, if valid. */
const identify: RequestHandler = (request, response, next) => {
  const given = request.get('x-request-id')
  const id = given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
  ids.set(request, id)
  response.set('x-request-id', id)
  next()
}

/** Responses are never cached: they depend on the time and the caller. */
const noStore: RequestHandler = (_request, response, next) => {
  response.set('cache-control', 'no-store')
  next()
}

/** Who sends the request; null without a token. An invalid token is an error even if none is needed. */
async function authenticate(deps: Deps, request: Request): Promise<Caller | null> {
  const header = request.get('authorization')
  if (header === undefined) return null
  const token = /^Bearer (\S+)$/i.exec(header)?.[1]
  if (token === undefined)
    throw new AttuneError('unauthenticated', 'the Authorization header should be: Bearer <token>')
  return deps.accounts.authenticate(token)
}

type Spend = (request: Request, cost: number) => void

/** Takes tokens from the address's bucket. @throws AttuneError too-frequent */
function createThrottle(burst: number, perSecond: number): Spend {
  const buckets = createBuckets(burst, perSecond)
  return (request, cost) => {
    const wait = buckets.take(networkOf(request.ip ?? ''), Date.now(), cost)
    if (wait > 0)
      throw new AttuneError('too-frequent', 'too many requests from this address', { retryAfter: Math.ceil(wait) })
  }
}

const throttleBy =
  (spend: Spend): RequestHandler =>
  (request, _response, next) => {
    spend(request, 1)
    next()
  }

// ---------------------------------------------------------------- answers

function onError(deps: Deps): ErrorRequestHandler {
  return (error: unknown, request, response: Response, _next) => {
    const known = toAttuneError(error)
    if (known.code === 'internal' || known.code === 'unavailable')
      deps.log.error({ err: error, requestId: requestIdOf(request) }, known.message)
    if (response.headersSent) return void response.destroy()
    if (known.retryAfter !== undefined) response.set('retry-after', String(known.retryAfter))
    const { code, message, path, retryAfter } = known
    response.status(httpStatus[code]).json({
      success: false,
      error: code,
      message,
      ...(path !== undefined && { path }),
      ...(retryAfter !== undefined && { retryAfter }),
      ...stamp(request),
    })
  }
}

/**
 * Hashed assets are cached for ever, the page never. The page is served to navigation to any path that may be
 * one of its own; requests for a file, or for another program's endpoint, get a 404.
 */
function serveClient(app: Express, dir: string): void {
  if (!existsSync(join(dir, 'index.html'))) return
  app.use('/assets', express.static(join(dir, 'assets'), { immutable: true, maxAge: '1y', index: false }))
  app.use(express.static(dir, { index: false, maxAge: '1h' }))
  app.get('/{*page}', (request, response, next) => {
    if (!isNavigation(request)) return next()
    response.set('cache-control', 'no-cache').sendFile(join(dir, 'index.html'))
  })
}

/**
 * A browser navigating to a page: it accepts HTML explicitly. The front page is served to everybody who does not
 * refuse it.
 */
function isNavigation(request: Request): boolean {
  if (request.path === '/') return request.accepts('html') !== false
  return PAGE_PATH.test(request.path) && /\btext\/html\b/i.test(request.get('accept') ?? '')
}

/** Words between slashes, without a file's extension: what the client's router can resolve to a page. */
const PAGE_PATH = /^(?!\/assets\/)(\/[\w~-]+)+\/?$/

/** The server's own origin needs no entry: browsers do no CORS check there. */
export const originCheck = ({
  allowedOrigins,
  publicUrl,
}: Pick<Config, 'allowedOrigins' | 'publicUrl'>): boolean | string[] =>
  allowedOrigins.includes('*') ? true : [...allowedOrigins, ...(publicUrl === null ? [] : [publicUrl])]

const headers = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      // Sockets of this host; charts and transitions set inline styles.
      connectSrc: ["'self'", 'ws:', 'wss:'],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:', 'blob:'],
      fontSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
}

/** No header, address or query in the log: they hold tokens and personal data. */
const quiet = {
  serializers: {
    req: (request: { id: unknown; method: string; url: string }) => ({
      id: request.id,
      method: request.method,
      path: request.url.split('?')[0],
    }),
    res: (response: { statusCode: number }) => ({ status: response.statusCode }),
  },
  customLogLevel: (_request: unknown, response: { statusCode: number }, error?: Error) =>
    error !== undefined || response.statusCode >= 500 ? ('error' as const) : ('debug' as const),
}
