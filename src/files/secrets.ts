/** Keys and passwords of the environment are kept out of what is shown, logged and stored. */

/** Variables that hold one, by their usual names. */
const NAMED = /(_|^)(KEY|TOKEN|SECRET|PASSWORD)$/
/** What is shorter may as well be a word. */
const SHORTEST = 8

/**
 * A text without the secrets of the environment: each stands there as the name of its variable. Of URLs, the passwords too:
 * services repeat keys in their refusals, drivers their addresses.
 */
export function withoutSecrets(
  text: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const secrets = Object.entries(env).flatMap(([name, value = '']) =>
    NAMED.test(name) && value.trim().length >= SHORTEST ? [{ name, value: value.trim() }] : [],
  )
  return secrets
    .toSorted((a, b) => b.value.length - a.value.length)
    .reduce((kept, { name, value }) => kept.replaceAll(value, `[${name}]`), text)
    .replaceAll(/([a-z][a-z\d+.-]*:\/\/[^\s/:@]*):[^\s/]+@/gi, '$1:[password]@')
}
