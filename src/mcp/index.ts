/** The API as tools for a language model, by the Model Context Protocol. */
export { createMcpServer, serveMcp } from './server.ts'
