/** Whether this page is a static copy, without a server: its entry says so. */

import { SITE_MARK } from '../../../src/api/site.ts'

/** Where the copy's index of files lies; undefined where there is a server. */
export const siteIndexAt: string | undefined =
  // Tests import this where there is no page.
  globalThis.document?.querySelector<HTMLMetaElement>(`meta[name="${SITE_MARK}"]`)?.content
