/**
 * The minimum cost of a room: a bare Socket.IO server that stores nothing, checks nothing and keeps
 * no log. It acknowledges each vote and broadcasts the counts, in messages of the size of Attune's,
 * as often as configured: once a tick, or for each vote. A process of its own, whose first message
 * is its port.
 */
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { limits } from '../../core/protocol/index.ts'
import { PIECE_MS, pieceOf } from './rooms-job.ts'

const perVote = process.argv[2] === 'vote'
const http = createServer()
const io = new Server(http, { serveClient: false })
const votes = new Map<string, number>()
const changed = new Set<string>()
let told = 0

const tell = (): void => {
  const tallies = [...changed]
    .map((sampleId) => ({ sampleId, votes: votes.get(sampleId) ?? 0 }))
    .map((tally) => ({ ...tally, crowd: { value: 0.5123456789, compassion: 0.4987654321, votes: tally.votes } }))
  changed.clear()
  const [last, ...others] = tallies.reverse()
  if (last !== undefined)
    io.emit('feedback-received', {
      sessionId: 'bare',
      ...last,
      ...(others.length > 0 && { others }),
      seq: `${Date.now()}-${told++}`,
    })
}
if (!perVote) setInterval(tell, limits.tallyMs)

/** Text goes out as often, too. */
let text = ''
const sayText = (): void => {
  if (text !== '') io.emit('sample-tokens', { sessionId: 'bare', sampleId: 'bare', offset: 0, text })
  text = ''
}
setInterval(() => (text += pieceOf(Date.now())), PIECE_MS)
setInterval(sayText, limits.tallyMs)

io.on('connection', (socket) => {
  socket.on('join-session', (sessionId: string, ack: (answer: object) => void) =>
    ack({ ok: true, data: { sessionId } }),
  )
  socket.on('submit-feedback', ({ id, sampleId }: { id: string; sampleId: string }, ack: (answer: object) => void) => {
    const n = (votes.get(sampleId) ?? 0) + 1
    votes.set(sampleId, n)
    changed.add(sampleId)
    ack({
      ok: true,
      data: {
        id,
        sampleId,
        value: 0.5,
        crowd: { value: 0.5123456789, compassion: 0.4987654321, votes: n },
        duplicate: false,
      },
    })
    if (perVote) tell()
  })
})
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined })
})
// The measuring process is gone.
process.on('disconnect', () => process.exit(0))
