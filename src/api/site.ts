/** What a static site holds in place of a server: `data/index.json`, which names the other files. */

/** The name by which a site's entry says what it is to the page; another form of the files takes another. */
export const SITE_MARK = 'hooke-site-2'

/** All addresses are relative to the site's entry; what ends in `.gz` is gzipped JSON. */
export type SiteIndex = {
  /** ISO 8601. */
  made: string
  /** Of Hooke, which made it. */
  version: string
  suite: string
  latents_a_file: number
  /** From the path of a GET request to the file with its answer. */
  answers: Record<string, string>
  /** Of each SAE: `list.json.gz` (LatentList) and `0.json.gz`, `1.json.gz` … (LatentView[]) in its folder. */
  saes: Record<string, { folder: string; d_sae: number }>
  /** Microscopes, without latents denser than the default and with all, and every token through the layers (Depth[]). */
  texts: { text: string; sparse: string; dense: string; depth: string }[]
}
