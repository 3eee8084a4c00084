/** Names of repositories on the Hugging Face Hub, as people type them. */

export type RepoType = 'model' | 'dataset'

/** A repository at a revision, and a place inside it. */
export type HubAddress = {
  /** `owner/name` */
  readonly name: string
  /** A branch, a tag or a commit; `main` where absent. */
  readonly revision?: string
  /** A file or folder inside, without a leading slash. */
  readonly path?: string
}

/** Letters, digits, `.`, `_`, `-`; never at an end a point or a dash, so that `..` and `./x` are paths. */
const WORD = '[A-Za-z0-9_](?:[\\w.-]*[A-Za-z0-9_])?'
const REVISION = '(?:refs/[\\w.-]+/)?[^/@\\s:]+'
const ADDRESS = new RegExp(`^(${WORD}/${WORD})(?:@(${REVISION}))?(?:/([^\\s].*))?$`)

/**
 * Reads `owner/name[@revision][/path/inside]`; a revision has no slash, save `refs/pr/3` and its like.
 * @returns `undefined` where the text cannot name a repository.
 */
export function parseHubAddress(text: string): HubAddress | undefined {
  const [, name, revision, path] = ADDRESS.exec(text.replace(/\/+$/, '')) ?? []
  if (name === undefined || /--|\.\./.test(name)) return undefined
  if (path?.split('/').some((part) => part === '' || part === '.' || part === '..'))
    return undefined
  return {
    name,
    ...(revision === undefined ? {} : { revision }),
    ...(path === undefined ? {} : { path }),
  }
}

/** As `parseHubAddress` reads it. */
export function renderHubAddress({ name, revision, path }: HubAddress): string {
  return `${name}${revision === undefined ? '' : `@${revision}`}${path === undefined ? '' : `/${path}`}`
}
