/** Builds the explorer to web/dist; in development it proxies the API to a running `hooke serve`. */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.HOOKE_SERVER ?? 'http://127.0.0.1:4665'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  experimental: {
    // Scripts and styles name each other from where they are, so that only index.html knows where the page lies.
    renderBuiltUrl: (_file, { hostType }) => (hostType === 'html' ? undefined : { relative: true }),
  },
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2024', assetsInlineLimit: 0 },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: server, changeOrigin: true, headers: { origin: server } } },
  },
})
