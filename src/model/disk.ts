/** The door to the file system and the Hub: a bundled name, a path or a Hub id becomes a folder of byte sources. Node only. */
export { openModelFolder } from '../hub/index.ts'
