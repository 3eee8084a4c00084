/** The API's client as the page uses it: its own server answers, or, on a static copy, files do. */
import { addressOf, type ClientOptions, createClient } from '../../../src/api/client.ts'
import { siteIndexAt } from '../state/site.ts'

export { ApiError } from '../../../src/api/request.ts'

const fromFiles: ClientOptions['fetch'] = async (address, init) =>
  (await import('./site.ts')).answerFromSite(siteIndexAt ?? '', address, init)

/** One function an operation. */
export const api = createClient(
  // Tests import this where there is no page.
  globalThis.location?.origin ?? 'http://localhost',
  siteIndexAt === undefined ? {} : { fetch: fromFiles },
)

/** The address of a picture of a suite. */
export const plotAt = (suite: string, name: string): string =>
  siteIndexAt === undefined
    ? addressOf('suitePlot', { suite, file: `${name}.svg` })
    : `data/plots/${encodeURIComponent(name)}.svg`

/** The labels of a suite as a file. */
export const labelsAt = (suite: string): string => addressOf('exportLabels', { suite })
