import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../server/http/app.ts'
import { useWorld } from './attune.ts'

const world = useWorld()
let http: Server
let url: string
let clientDir: string
beforeAll(async () => {
  clientDir = mkdtempSync(join(tmpdir(), 'client-'))
  mkdirSync(join(clientDir, 'assets'))
  writeFileSync(join(clientDir, 'index.html'), '<!doctype html><title>the page</title>')
  writeFileSync(join(clientDir, 'assets', 'main-1a2b.js'), '1')
  const { deps } = await world.server()
  http = createServer(createApp(deps, { config: { allowedOrigins: [], publicUrl: null, trustProxy: 0 }, clientDir }))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
})
afterAll(() => {
  http.closeAllConnections()
  http.close()
  rmSync(clientDir, { recursive: true })
})

const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const get = (path: string, accept = '*/*', method = 'GET') => fetch(url + path, { method, headers: { accept } })

test('a navigation gets the page, whichever of its paths it goes to', async () => {
  for (const path of [
    '/',
    '/session/demo',
    '/console',
    '/console/run-1',
    '/contributions',
    '/epochs',
    '/sign-in',
    '/session/demo?x=1',
  ]) {
    const answer = await get(path, html)
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, expect.stringContaining('the page')])
    expect((await get(path, html, 'HEAD')).status).toBe(200)
  }
  expect((await get('/')).status).toBe(200)
  expect((await get('/assets/main-1a2b.js')).status).toBe(200)
})

test.each([
  '/metrics',
  '/livez',
  '/readyz',
  '/nope.js',
  '/assets/gone.js',
  '/favicon.png',
  '/wp-login.php',
  '/.env',
  '/.git/config',
  '/session/demo',
  '/api/nope',
  '/api',
])('%s is 404 for what is no navigation', async (path) => {
  for (const accept of ['*/*', 'application/json', 'text/plain']) {
    const answer = await get(path, accept)
    expect([answer.status, await answer.json()]).toMatchObject([404, { success: false, error: 'not-found' }])
  }
})

test.each(['/nope.js', '/assets/gone.js', '/wp-login.php', '/.env', '/.git/config', '/api/nope', '/api', '/assets/'])(
  '%s is 404 for a navigation, too',
  async (path) => {
    expect((await get(path, html)).status).toBe(404)
  },
)

test('nothing is put, posted or deleted where there is nothing', async () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const path of ['/', '/session/demo', '/metrics', '/api/nope', '/assets/main-1a2b.js'])
      expect((await get(path, html, method)).status).toBe(404)
  }
  expect((await get('/api/models', '*/*', 'PUT')).status).toBe(404)
})

test.each(['/%zz', '/api/%zz', '/api/training/%c3%28', '/assets/%00', '/%00'])(
  '%s, which is badly encoded, is no error of the server',
  async (path) => {
    expect((await get(path, html)).status).toBeGreaterThanOrEqual(400)
    expect((await get(path, html)).status).toBeLessThan(500)
  },
)
