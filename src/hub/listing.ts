/** What a repository holds at a revision: its commit, and its files with sizes and checksums. */

import type { HubAddress, RepoType } from './address.ts'
import { HubError } from './errors.ts'
import { fetchAs } from './request.ts'
import type { HubSettings } from './settings.ts'

/** A file of a repository. */
export type HubFile = {
  /** Inside the repository, with slashes. */
  readonly path: string
  readonly size_bytes: number
  /** Name of its blob in the cache: sha256 (64 hex) of large files, git's sha1 (40 hex) of small ones. */
  readonly etag: string
}

/** A repository at one commit. */
export type Listing = {
  readonly type: RepoType
  /** `owner/name` */
  readonly name: string
  /** As asked for: a branch, a tag, or a commit. */
  readonly revision: string
  /** 40 hexadecimal digits. */
  readonly commit: string
  /** Those below the folder that was asked for, by path. */
  readonly files: readonly HubFile[]
}

export type ListOptions = Pick<HubAddress, 'name' | 'revision'> & {
  readonly type: RepoType
  /** Only what lies in this folder; a repository may hold thousands of others. */
  readonly under?: string
  readonly signal?: AbortSignal
}

const COMMIT = /^[0-9a-f]{40}$/

/** Whether a revision is a commit, which never changes. */
export const isCommit = (revision: string): boolean => COMMIT.test(revision)

/**
 * Asks the Hub what a repository holds.
 * @throws HubError as requests do; reason `no-file` if `under` is no folder there.
 */
export async function listRepository(
  settings: HubSettings,
  { type, name, revision = 'main', under, signal }: ListOptions,
): Promise<Listing> {
  const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub')
  const at = revision === 'main' ? name : `${name}@${revision}`
  const common = {
    hubUrl: settings.endpoint,
    fetch: fetchAs(settings, { name, type, signal }),
  }
  const asked = { ...common, name, revision, additionalFields: ['sha' as const] }
  const commit = isCommit(revision)
    ? revision
    : (await (type === 'model' ? modelInfo(asked) : datasetInfo(asked))).sha
  if (typeof commit !== 'string' || !isCommit(commit))
    throw new HubError(
      'refused',
      `${at}: ${settings.endpoint} names the commit ${JSON.stringify(commit)}, expected 40 hexadecimal digits. Is HF_ENDPOINT a Hub?`,
    )
  const files: HubFile[] = []
  const path = under?.split('/').map(encodeURIComponent).join('/')
  for await (const entry of listFiles({
    ...common,
    repo: { type, name },
    revision: commit,
    recursive: true,
    ...(path === undefined ? {} : { path }),
  })) {
    if (entry.type !== 'file') continue
    files.push({
      path: checkPath(name, entry.path),
      size_bytes: entry.lfs?.size ?? entry.size,
      etag: checkEtag(name, entry.path, entry.lfs?.oid ?? entry.oid),
    })
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { type, name, revision, commit, files }
}

/** A listing decides where files are written: none may leave its folder. */
function checkPath(name: string, path: string): string {
  const parts = path.split('/')
  if (parts.every((part) => part !== '' && part !== '.' && part !== '..') && !/[\\\0]/.test(path))
    return path
  throw new HubError(
    'refused',
    `${name}: the repository names a file ${JSON.stringify(path)}, which would lie outside of its folder. Nothing was fetched.`,
  )
}

function checkEtag(name: string, path: string, etag: string | undefined): string {
  if (etag !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return etag
  throw new HubError(
    'refused',
    `${name}: the Hub gives ${path} the checksum ${JSON.stringify(etag)}, expected 40 or 64 hexadecimal digits. Is HF_ENDPOINT a Hub?`,
  )
}
