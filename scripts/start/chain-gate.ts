/**
 * A gate in front of the chain's node: JSON-RPC for programs and wallets of this machine, and
 * nothing for web pages. A node answers anyone who reaches it, over WebSocket too, which has no
 * CORS; so any page in the developer's browser could spend its rich accounts' coins, or make
 * blocks. A browser says which page is asking (Origin) and which name it asked for (Host, which a
 * page that had its own name resolve to this machine cannot hide).
 */
import { Agent, createServer, request as ask, type IncomingHttpHeaders } from 'node:http'

export interface ChainGate {
  close: () => Promise<void>
}

/** Opens the gate on a loopback port, in front of the node at `host` and `port`. */
export async function openChainGate(at: number, node: { host: string; port: number }): Promise<ChainGate> {
  const agent = new Agent({ keepAlive: true })
  const server = createServer((request, response) => {
    const refuse = (status: number, why: string) =>
      response.writeHead(status, { connection: 'close', 'content-type': 'text/plain' }).end(`${why}\n`)
    if (!mayAsk(request.headers))
      return void refuse(403, 'The chain answers no web page: ask it from a program or a wallet of this machine.')
    if (request.method !== 'POST') return void refuse(405, 'The chain answers JSON-RPC by POST.')
    const asked = ask(
      { ...node, agent, method: 'POST', path: '/', headers: { ...request.headers, host: `${node.host}:${node.port}` } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    // The node is down, or went down during the request: break off the gate's response as well.
    asked.once('error', () => response.destroy())
    response.once('close', () => asked.destroy())
    request.pipe(asked)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, '127.0.0.1', resolve)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        agent.destroy()
      }),
  }
}

/** Not a page: a wallet's extension identifies itself, and a program sends no Origin. */
function mayAsk({ origin, host = '' }: IncomingHttpHeaders): boolean {
  const mine = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(host)
  return mine && (origin === undefined || /^(chrome|moz|safari-web)-extension:/.test(origin))
}
