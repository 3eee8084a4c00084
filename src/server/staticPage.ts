/** The built page: files of `web/dist`, and its index.html for every address the page itself routes. */
import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import type { MiddlewareHandler } from 'hono'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.map': 'application/json',
}

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hooke</title>
<body style="font: 16px/1.5 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The page is not built yet</h1>
<p>The API answers under <a href="/api/workspace">/api/workspace</a>. Build the page with</p>
<pre>npm run build:web</pre><p>and load this address again.</p></body></html>`

/**
 * Serves GET and HEAD from `root`; paths without an extension get index.html. Built assets carry a hash in their
 * name and are cached for good; index.html is not cached.
 */
export function staticPage(root: string): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return next()
    const path = normalize(decodePath(c.req.path))
    if (path.includes('\0') || path.split(sep).includes('..')) return next()
    const extension = extname(path)
    const body = extension === '' ? undefined : await readIfThere(join(root, path))
    if (body !== undefined) {
      c.header(
        'Cache-Control',
        path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
      )
      return c.body(body, 200, { 'Content-Type': TYPES[extension] ?? 'application/octet-stream' })
    }
    // Hook names hold dots (`blocks.3.hook_resid_post`), so only known file types are files.
    if (extension in TYPES) return next()
    const index = await readIfThere(join(root, 'index.html'))
    c.header('Cache-Control', 'no-cache')
    return index === undefined
      ? c.html(NOT_BUILT, 503)
      : c.body(index, 200, { 'Content-Type': TYPES['.html']! })
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return Uint8Array.from(await readFile(path))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR' || code === 'ENAMETOOLONG')
      return undefined
    throw error
  }
}
