/** Which SAEs of several suites are compared with which. */
import type { SaeSummary } from '../../../src/api/index.ts'
import { saeName, siteKind, siteName } from '../format/names.ts'

/** SAEs of one row, by suite. */
export type Pair = {
  readonly key: string
  readonly hook: string
  /** "layer 3", and what else tells it from other rows. */
  readonly name: string
  readonly saes: ReadonlyMap<string, SaeSummary>
}

type Suite = { readonly name: string; readonly saes: readonly SaeSummary[] }

/**
 * Rows of a comparison, in the order of the forward pass. At a site where no suite has more than one SAE they are compared
 * whatever their sizes, for these may be what differs; elsewhere those of the same width and asked L0 are.
 */
export function pairSaes(suites: readonly Suite[]): Pair[] {
  const all = suites.flatMap(({ name, saes }) => saes.map((sae) => ({ suite: name, sae })))
  const kinds = new Set(all.map(({ sae }) => siteKind(sae.hook)))
  const rows = [...Map.groupBy(all, ({ sae }) => sae.hook)].flatMap(([hook, list]) => {
    const perSuite = Map.groupBy(list, ({ suite }) => suite)
    const isOneEach = [...perSuite.values()].every((own) => own.length === 1)
    const sizeOf = (sae: SaeSummary) => {
      const { width, l0 } = saeName(sae.id)
      return isOneEach ? '' : `${width}, L0 ${l0}`
    }
    return [...Map.groupBy(list, ({ sae }) => sizeOf(sae))].map(([size, members]) => ({
      key: `${hook} ${size}`,
      hook,
      name: `${siteName(hook)}${kinds.size > 1 && siteName(hook) === `layer ${members[0]?.sae.layer}` ? ' resid' : ''}${size && ` · ${size}`}`,
      saes: new Map(members.map(({ suite, sae }) => [suite, sae])),
    }))
  })
  return rows.sort((a, b) => layerOf(a) - layerOf(b))
}

const layerOf = ({ saes }: Pair): number => saes.values().next().value?.layer ?? -1

/** Settings of suites that are not the same in all of them; `same` counts the others. */
export function differences(
  origins: readonly { readonly settings: Readonly<Record<string, unknown>> }[],
): { readonly names: readonly string[]; readonly n_same: number } {
  const all = [...new Set(origins.flatMap(({ settings }) => Object.keys(settings)))]
  const names = all.filter(
    (name) => new Set(origins.map(({ settings }) => settings[name])).size > 1,
  )
  return { names: names.sort(), n_same: all.length - names.length }
}
