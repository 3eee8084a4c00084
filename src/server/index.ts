/** The HTTP server: API, events, page. */
export * from '../api/index.ts'
export { openBrowser } from './openBrowser.ts'
export { type OpenWorkspace, openWorkspace, type WorkspaceOptions } from './openWorkspace.ts'
export { type RunningServer, type ServerOptions, startServer } from './server.ts'
