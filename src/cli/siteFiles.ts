/** Files of a static site: made beside its folder and put in its place when all are there; what names this machine is left out. */
import { cp, readFile, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { SITE_MARK } from '../api/index.ts'
import {
  listFolder,
  makeFolder,
  pathExists,
  readText,
  removePath,
  writeFileAtomic,
} from '../files/index.ts'
import { CliError } from './errors.ts'

const packed = promisify(gzip)

/** As the server's, but for what a page cannot say of itself: who may frame it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types hooke-svg"

const MARK = `<meta name="${SITE_MARK}" content="data/index.json" />`

/** The page's entry with addresses relative to itself, its policy, and the word that there is no server. */
export function renderIndex(html: string): string {
  return html
    .replaceAll(/(href|src)="\//g, '$1="./')
    .replace(
      '<meta charset="utf-8" />',
      `<meta charset="utf-8" />\n    <meta http-equiv="Content-Security-Policy" content="${POLICY}" />\n    ${MARK}`,
    )
    .replace(
      '<div id="root"></div>',
      '<div id="root"><p>Nothing more comes up where this file was opened from a disk: browsers run the page only from a web host. <code>npx serve</code> in this folder is one.</p></div>',
    )
}

/** A site that is being written. */
export class SiteFolder {
  n_files = 0
  n_bytes = 0
  readonly #out: string
  readonly #private: readonly string[]

  private constructor(out: string, folders: readonly string[]) {
    this.#out = out
    // What is as short as /data may as well be somebody's text, and tells nothing.
    const isTelling = (folder: string) => isAbsolute(folder) && folder.split(sep).length > 2
    const own = [...new Set([...folders, homedir()])].filter(isTelling)
    // As they stand in JSON, and in code that is quoted in JSON. The longest first, as one may lie in another.
    this.#private = own
      .toSorted((a, b) => b.length - a.length)
      .flatMap((folder) => {
        const once = JSON.stringify(folder + sep).slice(1, -1)
        return [...new Set([JSON.stringify(once).slice(1, -1), once])]
      })
  }

  /**
   * Begins a site, with the page's own files.
   * @param folders of this machine, which no file may name.
   * @throws CliError where the page is not built or an old one, or `out` holds something else than a site.
   */
  static async open(
    out: string,
    { page, folders }: { page: string; folders: readonly string[] },
  ): Promise<SiteFolder> {
    const index = join(page, 'index.html')
    if (!(await pathExists(index)))
      throw new CliError(`${index} is not there: build the page first (npm run build:web).`)
    if (!(await knowsSites(page)))
      throw new CliError(`${page} is older than this command: build the page (npm run build:web).`)
    if (!(await isFree(out)))
      throw new CliError(`${out} is there and holds no site of Hooke. Give a new folder.`)
    const site = new SiteFolder(resolve(out), folders)
    await site.discard()
    await makeFolder(site.#partial)
    await cp(page, site.#partial, { recursive: true })
    await writeFileAtomic(
      join(site.#partial, 'index.html'),
      renderIndex(await readFile(index, 'utf8')),
    )
    return site
  }

  /** Writes gzipped JSON below `data`. @returns its address from the site's entry. */
  async write(name: string, value: unknown): Promise<string> {
    const json = this.#withoutPlaces(JSON.stringify(value, toFourPlaces))
    return this.#put(`${name}.json.gz`, await packed(json, { level: 9 }))
  }

  /** Writes text below `data` as it is. */
  async writeText(name: string, text: string): Promise<string> {
    return this.#put(name, Buffer.from(this.#withoutPlaces(text)))
  }

  /** Puts the whole site in the place of an earlier one. */
  async finish(): Promise<void> {
    const before = this.#beside('before')
    await removePath(before)
    if (await pathExists(this.#out)) await rename(this.#out, before)
    await rename(this.#partial, this.#out)
    await removePath(before)
  }

  /** Removes what was written so far, also by a run that was killed. */
  async discard(): Promise<void> {
    await removePath(this.#partial)
  }

  get #partial(): string {
    return this.#beside('partial')
  }

  #beside(what: string): string {
    return join(dirname(this.#out), `.${basename(this.#out)}.${what}`)
  }

  async #put(name: string, content: Uint8Array): Promise<string> {
    await writeFileAtomic(join(this.#partial, 'data', name), content)
    this.n_files++
    this.n_bytes += content.byteLength
    return `data/${name}`
  }

  #withoutPlaces(text: string): string {
    return this.#private.reduce((kept, place) => kept.replaceAll(place, ''), text)
  }
}

/** Whether a site may be written there: nothing, an empty folder, or a site. */
async function isFree(out: string): Promise<boolean> {
  if (!(await pathExists(out))) return true
  const { files, folders } = await listFolder(out)
  if (files.length + folders.length === 0) return true
  return (
    files.includes('index.html') &&
    (await readText(join(out, 'index.html'))).includes('name="hooke-site')
  )
}

/** Whether a script of the page looks for the mark. */
async function knowsSites(page: string): Promise<boolean> {
  const assets = join(page, 'assets')
  const { files } = (await pathExists(assets)) ? await listFolder(assets) : { files: [] }
  for (const name of files.filter((name) => name.endsWith('.js')))
    if ((await readText(join(assets, name))).includes(SITE_MARK)) return true
  return false
}

/** More digits than anybody reads are a fifth of what a visitor fetches. */
const toFourPlaces = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
