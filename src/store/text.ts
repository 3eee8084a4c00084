/** Text on its way into Postgres. */

/** Postgres text holds no NUL and no half of a surrogate pair: U+2400 and U+FFFD stand in for them. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\u2400').toWellFormed()
}

/** What token search compares: without the space around it, lower case; a token that is only space keeps itself. */
export function tokenKey(token: string): string {
  const trimmed = token.trim()
  return (trimmed === '' ? token : trimmed).toLowerCase()
}
