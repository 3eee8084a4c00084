/** Which of a suite's dictionaries the microscope shows: those of one kind of site, and one of several at a site. */
import type { SaeSummary } from '../../../src/api/index.ts'

/** A kind of site, in the order in which they are offered. */
const kindNames = ['resid', 'mlp', 'attn', 'mlp in', 'other'] as const
type SiteKind = (typeof kindNames)[number]

/** The kind of a hook's site; attention before its output projection counts as attention. */
function kindOf(hook: string): SiteKind {
  if (hook.endsWith('ln2.hook_normalized')) return 'mlp in'
  if (/\.hook_resid_(pre|mid|post)$/.test(hook)) return 'resid'
  if (/\.(attn\.hook_z|hook_attn_out)$/.test(hook)) return 'attn'
  return hook.endsWith('.hook_mlp_out') ? 'mlp' : 'other'
}

/** What can be chosen, and what is: `all` stands for every one. */
export type SiteChoice = {
  readonly kinds: readonly SiteKind[]
  readonly kind: SiteKind | 'all'
  /** One a width and rank by L0; none where every site has one dictionary. */
  readonly variants: readonly { readonly key: string; readonly name: string }[]
  readonly variant: string
  readonly shown: readonly SaeSummary[]
  /** The trained ones among `shown`; absent where that is all that the suite has. */
  readonly ids?: string[]
}

/**
 * The dictionaries to show. Without a wish: the first kind there is, and of several widths and sparsities the narrowest of
 * middle sparsity. A wish that the suite cannot grant is taken as none.
 */
export function chooseSites(
  saes: readonly SaeSummary[],
  wish: { readonly site?: string | undefined; readonly dictionary?: string | undefined },
): SiteChoice {
  const present = new Set(saes.map(({ hook }) => kindOf(hook)))
  const kinds = kindNames.filter((kind) => present.has(kind))
  const kind =
    wish.site === 'all' ? 'all' : (kinds.find((name) => name === wish.site) ?? kinds[0] ?? 'all')
  const ofKind = saes.filter(({ hook }) => kind === 'all' || kindOf(hook) === kind)

  const keys = variantKeys(saes)
  const byVariant = Map.groupBy(ofKind, ({ id }) => keys.get(id) ?? '')
  const names = [...byVariant.keys()].sort(byWidthAndRank)
  const narrowest = names.filter((key) => key.split('.')[0] === names[0]?.split('.')[0])
  const usual = narrowest[Math.floor((narrowest.length - 1) / 2)] ?? 'all'
  const variant =
    wish.dictionary === 'all' ? 'all' : (names.find((name) => name === wish.dictionary) ?? usual)
  const shown = variant === 'all' ? ofKind : (byVariant.get(variant) ?? ofKind)
  return {
    kinds,
    kind,
    variants:
      names.length > 1
        ? names.map((key) => ({ key, name: variantName(byVariant.get(key) ?? []) }))
        : [],
    variant,
    shown,
    ...(shown.length === saes.length ? {} : { ids: shown.filter(isTrained).map(({ id }) => id) }),
  }
}

/** `<d_sae>.<rank>`, the rank by L0 among the dictionaries of that width at the same site: L0 itself differs from site to site. */
function variantKeys(saes: readonly SaeSummary[]): Map<string, string> {
  const keys = new Map<string, string>()
  for (const group of Map.groupBy(saes, ({ hook, d_sae }) => `${hook} ${d_sae}`).values()) {
    const sorted = group.toSorted((a, b) => (a.l0_target ?? 0) - (b.l0_target ?? 0))
    for (const [rank, { id, d_sae }] of sorted.entries()) keys.set(id, `${d_sae}.${rank}`)
  }
  return keys
}

function byWidthAndRank(a: string, b: string): number {
  const [[width_a = 0, rank_a = 0], [width_b = 0, rank_b = 0]] = [a, b].map((key) =>
    key.split('.').map(Number),
  ) as [number[], number[]]
  return width_a - width_b || rank_a - rank_b
}

/** "16k, L0 22–41" */
function variantName(saes: readonly SaeSummary[]): string {
  const width = saes[0]?.id.split('~')[2]?.replace('width_', '') ?? ''
  const targets = saes.flatMap(({ l0_target }) => l0_target ?? [])
  if (targets.length === 0) return width
  const [least, most] = [Math.min(...targets), Math.max(...targets)]
  return `${width}, L0 ${least === most ? least : `${least}–${most}`}`
}

const isTrained = ({ state }: SaeSummary): boolean =>
  state === 'trained' || state === 'indexed' || state === 'labelled'
