/** The HTTP server: API, events, page. */
export * from '../api/index.ts'
export { openBrowser } from './openBrowser.ts'
export { type RunningServer, type ServerOptions, startServer } from './server.ts'
