/**
 * The cache on disk, in the layout of Python's huggingface_hub, which reads and writes the same files:
 *
 *   models--owner--name/blobs/<etag>                     contents, by checksum; <etag>.incomplete while fetched
 *                      /refs/main                        the commit that `main` was last seen at, 40 digits
 *                      /snapshots/<commit>/config.json   a relative link to its blob
 *   .locks/models--owner--name/                          who fetches which blob
 */
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import {
  errorCode,
  explainFileError,
  pathExists,
  readText,
  writeFileAtomic,
} from '../files/index.ts'
import type { RepoType } from './address.ts'

/** One repository's folder in the cache. */
export type RepoCache = {
  /** `<cache>/models--owner--name` */
  readonly folder: string
  /** `<cache>/.locks/models--owner--name` */
  readonly locks: string
}

/** Where a repository lies in a cache, whether it is there or not. */
export function repoCache(cache: string, type: RepoType, name: string): RepoCache {
  const inside = `${type}s--${name.replaceAll('/', '--')}`
  return { folder: join(cache, inside), locks: join(cache, '.locks', inside) }
}

export const blobPath = ({ folder }: RepoCache, etag: string): string => join(folder, 'blobs', etag)

export const snapshotPath = ({ folder }: RepoCache, commit: string): string =>
  join(folder, 'snapshots', commit)

/** `owner/name` of a snapshot's folder; `undefined` for any other path. */
export function repositoryOf(path: string): string | undefined {
  const [, name] = /[/\\]models--([^/\\]+)[/\\]snapshots[/\\][0-9a-f]{40}[/\\]?$/.exec(path) ?? []
  return name?.replace('--', '/')
}

/** The commit that a branch or tag was last seen at. */
export async function readRef(
  { folder }: RepoCache,
  revision: string,
): Promise<string | undefined> {
  const path = join(folder, 'refs', ...revision.split('/'))
  return (await pathExists(path)) ? (await readText(path)).trim() : undefined
}

export async function writeRef(cache: RepoCache, revision: string, commit: string): Promise<void> {
  if ((await readRef(cache, revision)) === commit) return
  await writeFileAtomic(join(cache.folder, 'refs', ...revision.split('/')), commit)
}

/** Paths of the files of a snapshot that are there, with slashes, sorted. */
export async function listSnapshot(cache: RepoCache, commit: string): Promise<string[]> {
  const root = snapshotPath(cache, commit)
  try {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    const paths = entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
    const whole = await Promise.all(paths.map(pathExists)) // a link to a blob that was deleted is none
    return paths
      .filter((_, i) => whole[i])
      .map((path) => relative(root, path).split(sep).join('/'))
      .sort()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw await explainFileError(error, 'read', root)
  }
}

/** Size of a file, links followed; `undefined` where there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw await explainFileError(error, 'read', path)
  }
}

/** Puts a whole blob into a snapshot unless it is there: a relative link, or a copy where the system allows no links. Atomic. */
export async function linkBlob(
  cache: RepoCache,
  commit: string,
  file: { readonly path: string; readonly etag: string; readonly size_bytes: number },
): Promise<void> {
  const blob = blobPath(cache, file.etag)
  const pointer = join(snapshotPath(cache, commit), ...file.path.split('/'))
  if ((await sizeOf(pointer)) === file.size_bytes) return
  const temporary = join(dirname(pointer), `.${randomUUID()}.tmp`)
  try {
    await mkdir(dirname(pointer), { recursive: true })
    try {
      await symlink(relative(dirname(pointer), blob), temporary)
    } catch (error) {
      if (errorCode(error) !== 'EPERM' && errorCode(error) !== 'ENOTSUP') throw error
      await copyFile(blob, temporary)
    }
    await rename(temporary, pointer).catch(async (error: unknown) => {
      await rm(temporary, { force: true })
      throw error
    })
  } catch (error) {
    throw await explainFileError(error, 'write', pointer)
  }
}
