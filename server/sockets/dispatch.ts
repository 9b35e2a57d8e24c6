import { createBucket, type Buckets } from '../limits/rate-limit.ts'
import type { Deps } from '../deps.ts'
import { AttuneError, toAttuneError } from '../../core/errors.ts'
import { demand } from '../../core/permissions.ts'
import { clientEvents, limits, type Ack, type AckData, type ClientEventName } from '../../core/protocol/index.ts'
import { parseStrictly, refuseUnstorable } from '../limits/strict.ts'
import { askHandlers } from './ask.ts'
import { feedbackHandlers } from './feedback.ts'
import { demandSignedIn, identityHandlers } from './identity.ts'
import type { AttuneSocket, Context, Handler, Handlers, Rooms } from './socket.ts'
import { roomHandlers } from './rooms.ts'
import { z } from 'zod'

const handlers: Handlers = { ...roomHandlers, ...feedbackHandlers, ...askHandlers, ...identityHandlers }

/**
 * Handles everything that a socket sends: not too often, not too large, a known event, a body that
 * fits its schema, from somebody with permission (rule P4). Every event is acknowledged if the
 * client requested it (rule P2); a vote that fails is also reported as `feedback-error`, which is
 * what clients of the seed system listen to. `events` holds each person's rate limit, by their id.
 */
export function dispatch(socket: AttuneSocket, deps: Deps, rooms: Rooms, events: Buckets): void {
  const bucket = createBucket(limits.socketBurst, limits.socketPerSecond, Date.now())
  socket.onAny((event: string, ...sent: unknown[]) => {
    const last = sent.at(-1)
    const acknowledge = isFunction(last) ? (answer: Ack) => void last(answer) : undefined
    const body = isFunction(last) ? sent.slice(0, -1) : sent
    answer(event, body).then(
      (data) => acknowledge?.({ ok: true, data }),
      (error: unknown) => {
        const { code, message, path } = toAttuneError(error)
        if (code === 'internal' || code === 'unavailable')
          deps.log.error({ err: error, event }, 'a socket event failed')
        const field = path === undefined ? {} : { path }
        // A schema's messages are meaningless without the field; ours are sentences.
        const said = path !== undefined && error instanceof z.ZodError ? `${path}: ${message}` : message
        acknowledge?.({ ok: false, code, message: said, ...field })
        if (event.endsWith('-feedback')) socket.emit('feedback-error', { error: said, code, ...field })
      },
    )
  })

  const answer = async (event: string, body: unknown[]): Promise<unknown> => {
    const now = Date.now()
    const wait = bucket.take(now) || events.take(socket.data.caller.userId, now)
    if (wait > 0)
      throw new AttuneError('too-frequent', `at most ${limits.socketPerSecond} events a second`, { retryAfter: wait })
    if (!isEvent(event)) throw new AttuneError('invalid', 'there is no such event')
    refuseUnstorable(body)
    if (Buffer.byteLength(JSON.stringify(body)) > limits.messageBytes) {
      throw new AttuneError('too-large', `a message holds at most ${limits.messageBytes} bytes`)
    }
    if (event !== 'authenticate') await demandSignedIn(socket, deps, handlers[event].needs)
    return run(event, { socket, caller: socket.data.caller, deps, rooms }, body[0])
  }
}

async function run<E extends ClientEventName>(event: E, context: Context, body: unknown): Promise<AckData[E]> {
  const { needs, handle }: Handler<E> = handlers[event]
  demand(context.caller, needs)
  return handle(context, parseStrictly<unknown>(clientEvents[event], body) as z.output<(typeof clientEvents)[E]>)
}

const isEvent = (event: string): event is ClientEventName => Object.hasOwn(clientEvents, event)
const isFunction = (value: unknown): value is (...args: unknown[]) => unknown => typeof value === 'function'
