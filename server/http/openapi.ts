import { z } from 'zod'
import { httpStatus } from '../../core/errors.ts'
import { ErrorCode } from '../../core/protocol/index.ts'
import type { Route, UploadType } from './routes/route.ts'

/** The OpenAPI 3.1 document of the routes, from their schemas. */
export function openApi(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Attune', version, description: rules, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Failure: schemaOf(Failure, 'output') },
    },
  }
}

const rules = [
  'What is sent is read strictly: a field or a query parameter that is not described here is refused with its path (400), but for query parameters that begin with `_`, which nobody reads.',
  'A setting of a run that would do nothing is refused with its path and what to do, unless it has its default value, or is an empty list or object.',
  'Of a vote, `userId`, `timestamp`, `verified` and `blockchainHash` may be sent, as clients do that send a vote back as they got it, and are not read; so are `id` of a model and `email` of a login.',
].join('\n\n')

const Failure = z.object({
  success: z.literal(false),
  error: ErrorCode,
  message: z.string(),
  path: z.string().optional(),
  retryAfter: z.number().optional(),
  timestamp: z.iso.datetime(),
  requestId: z.string(),
})

function operation(route: Route) {
  const failures = new Set<ErrorCode>(['too-frequent', 'internal', 'unavailable'])
  if (route.params ?? route.query ?? route.body) failures.add('invalid')
  if (route.body ?? route.upload) failures.add('too-large')
  if (route.access !== 'public') failures.add('unauthenticated').add('forbidden')
  if (route.params) failures.add('not-found')
  if (route.method !== 'get') failures.add('conflict')
  return {
    summary: route.summary,
    tags: [route.path.split('/')[2]],
    ...(route.access !== 'public' && { security: [{ bearer: [] }], 'x-permission': route.access }),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } },
    }),
    ...(route.upload && {
      requestBody: { required: true, content: { [route.upload]: { schema: uploads[route.upload] } } },
    }),
    responses: {
      [route.status]: {
        description: 'Done',
        content: {
          [route.bare ?? 'application/json']: {
            schema: schemaOf(route.bare === null ? envelopeOf(route.answer) : route.answer, 'output'),
          },
        },
      },
      ...Object.fromEntries([...failures].map((code) => [httpStatus[code], failureResponse(code)])),
    },
  }
}

/** Bodies that are not JSON. */
const uploads: Record<UploadType, object> = {
  'multipart/form-data': { type: 'object', additionalProperties: { type: 'string', format: 'binary' } },
  'application/x-ndjson': { type: 'string' },
}

const envelopeOf = (data: z.ZodType) =>
  z.object({ success: z.literal(true), data, timestamp: z.iso.datetime(), requestId: z.string() })

const failureResponse = (code: ErrorCode) => ({
  description: code,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
})

function parameters(schema: z.ZodType | undefined, place: 'path' | 'query') {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input')
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    ...{ io, unrepresentable: 'any', target: 'draft-2020-12' },
    // strict.ts rejects unknown keys.
    override({ zodSchema, jsonSchema }) {
      if (io === 'input' && zodSchema._zod.def.type === 'object') jsonSchema.additionalProperties ??= false
    },
  })
  return json
}
