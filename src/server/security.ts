/**
 * Who may talk to the server. On loopback: only requests that name this server in `Host` (a page elsewhere cannot reach
 * it by rebinding a name) and that do not come from another origin. Beyond loopback: only with the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { HttpProblem } from './problems.ts'

const COOKIE = 'hooke_token'

/** Whether an address is this machine's own and no other's. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)

/** Scripts and styles only from the server itself; text never becomes markup, but for the pictures that `safeSvg` reads and copies. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types hooke-svg',
].join('; ')

/** Headers of every answer: content policy (unless the route has its own), no sniffing, no framing, no referrer, no caching of API answers. */
export const headers: MiddlewareHandler = async (c, next) => {
  await next()
  if (!c.res.headers.has('Content-Security-Policy'))
    c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
  if (c.req.path.startsWith('/api/') && !c.res.headers.has('Cache-Control'))
    c.header('Cache-Control', 'no-store')
}

/**
 * Refuses requests whose `Host` is not this server or whose `Origin` is another.
 * @param options.any_host true beyond loopback, where names are not known in advance and the token decides.
 */
export function sameHost(options: { any_host: boolean }): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header('host') ?? ''
    const name = host.replace(/:\d+$/, '')
    if (!options.any_host && !isLoopback(name))
      throw new HttpProblem(
        403,
        `Host is ${JSON.stringify(host.slice(0, 100))}, expected 127.0.0.1 or localhost. Open the address that the server printed.`,
      )
    const origin = c.req.header('origin')
    if (origin !== undefined && !sameAuthority(origin, host))
      throw new HttpProblem(
        403,
        `a page of ${origin.slice(0, 100)} asked; only the server's own page may.`,
      )
    // Other pages can ask without an `Origin`, as for an image: they may link to a view, and no more.
    const site = c.req.header('sec-fetch-site')
    if (c.req.path.startsWith('/api/') && (site === 'cross-site' || site === 'same-site'))
      throw new HttpProblem(403, 'a page of another site asked; only the server’s own page may.')
    await next()
  }
}

function sameAuthority(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === new URL(`${new URL(origin).protocol}//${host}`).host
  } catch {
    return false
  }
}

/** A token as it fits into an address, a cookie and a header, and is not guessed. */
const TOKEN = /^[\w.~-]{16,}$/

/** @throws RangeError if a token is too short, or would not arrive as it is; it is not in the message. */
export function checkToken(token: string): string {
  if (!TOKEN.test(token))
    throw new RangeError(
      `the token has ${token.length} characters, expected 16 or more of A-Z a-z 0-9 . _ ~ -; without one, a long random one is made.`,
    )
  return token
}

/** Requests that are worked on at once; event streams and texts that a model writes are counted where they begin. */
const MOST_AT_ONCE = 128

/** Refuses requests while too many wait for an answer: the database takes one at a time. */
export function limitWork(most: number = MOST_AT_ONCE): MiddlewareHandler {
  let n = 0
  return async (_c, next) => {
    if (n >= most) throw new HttpProblem(503, `${most} requests are worked on; try again shortly`)
    n++
    try {
      await next()
    } finally {
      n--
    }
  }
}

/**
 * Asks for the token on every path: as `Authorization: Bearer`, or as `?token=` in the address, which is put into a
 * cookie of this server (HttpOnly, SameSite=Strict) and taken out of the address.
 */
export function requireToken(token: string): MiddlewareHandler {
  return async (c, next) => {
    const query = c.req.query('token')
    if (query !== undefined && matches(query, token)) {
      setCookie(c, COOKIE, token, { httpOnly: true, sameSite: 'Strict', path: '/' })
      const url = new URL(c.req.url)
      url.searchParams.delete('token')
      return c.redirect(url.pathname + url.search, 303)
    }
    const bearer = c.req.header('authorization')?.match(/^Bearer\s+(\S+)$/i)?.[1]
    const given = bearer ?? getCookie(c, COOKIE)
    if (given === undefined || !matches(given, token))
      throw new HttpProblem(
        401,
        'a token is needed: open the address that the server printed, with its ?token=, or send Authorization: Bearer.',
      )
    await next()
    return undefined
  }
}

/** Compares in constant time whatever the lengths. */
function matches(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
