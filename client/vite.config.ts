import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

/** Where `npx vite client` finds a running server; the built client is served by the server itself. */
const server = process.env.ATTUNE_SERVER ?? 'http://127.0.0.1:3001'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte()],
  build: {
    // The first browsers with CSS light-dark(), which the tokens are written in.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    emptyOutDir: true,
    // In one piece, so that no other one can make a schema before zod is told how (src/zod.ts).
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'zod', test: /\/zod(\/|\.ts$)/ }] } } },
  },
  server: {
    proxy: { '/api': server, '/health': server, '/socket.io': { target: server, ws: true } },
  },
})
