import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

/** What isn't the page's is a running server's; the built client is served by the server itself. */
export const proxyTo = (server: string) => ({
  '/api': server,
  '/health': server,
  '/socket.io': { target: server, ws: true },
})

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
  // For `npx vite client`; `npm run dev` names its own.
  server: { proxy: proxyTo(process.env.ATTUNE_SERVER ?? 'http://127.0.0.1:3001') },
})
