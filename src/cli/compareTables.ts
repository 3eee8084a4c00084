/** What `hooke compare` prints. */
import type {
  ChangeKind,
  LatentChange,
  ModelComparison,
  RankedLatent,
  RunComparison,
} from '../compare/index.ts'
import type { Labels } from './compare.ts'
import { renderTable } from './terminal.ts'

const MOST_LABEL = 44

/** Alignment, what comes next, the change at every site, and the latents that change most. */
export function renderPrompts(
  found: RunComparison,
  labels: Labels,
  pieceOf: (id: number) => string,
  top: number,
): string {
  const { columns, sites, final, n_dense } = found
  const tokenAt = (column: number): string => {
    const { a, b, isSame } = columns[column]!
    const in_a = a === undefined ? undefined : pieceOf(found.a.ids[a]!)
    const in_b = b === undefined ? undefined : pieceOf(found.b.ids[b]!)
    if (in_a === undefined) return `+${in_b}`
    if (in_b === undefined) return `-${in_a}`
    return isSame ? in_a : `${in_a} → ${in_b}`
  }
  const n = (kind: 'a' | 'b') =>
    columns.filter((column) => column[kind === 'a' ? 'b' : 'a'] === undefined).length
  const n_same = columns.filter(({ isSame }) => isSame).length
  const n_replaced = columns.length - n_same - n('a') - n('b')
  const next = renderTable(
    ['next token', 'A', 'B'],
    final.guesses.map(({ id, p_a, p_b }) => [
      JSON.stringify(pieceOf(id)),
      percent(p_a),
      percent(p_b),
    ]),
  )
  const bySite = renderTable(
    ['site', 'change', 'gained', 'lost', 'stronger', 'weaker', 'A only', 'B only'],
    sites.map(({ hook, change, n }) => [
      ...[hook, change?.toFixed(3), n.gained, n.lost, n.strengthened, n.weakened],
      ...[n.only_a, n.only_b],
    ]),
  )
  const list = (
    ranked: readonly { id: string; hook: string; latent: LatentChange & Partial<RankedLatent> }[],
  ) =>
    renderTable(
      ['latent', 'change', 'effect', 'A', 'B', 'at token', 'label'],
      ranked.map(({ hook, id, latent }) => [
        ...[`${hook}/${latent.index}`, latent.kind && kindName(latent.kind), signed(latent.effect)],
        ...[latent.a.toPrecision(3), latent.b.toPrecision(3)],
        latent.column === undefined ? undefined : tokenAt(latent.column),
        labelOf(labels, id, latent.index),
      ]),
    )
  const changed = foremost(sites, top)
  const apart = foremost(
    sites.map(({ apart, ...site }) => ({ ...site, latents: apart })),
    Math.ceil(top / 2),
  )
  const last = foremost(
    sites.map(({ final, ...site }) => ({ ...site, latents: final?.top ?? [] })),
    Math.ceil(top / 2),
  )
  const section = (title: string, ranked: Parameters<typeof list>[0]) =>
    ranked.length > 0 ? [`\n${title}`, list(ranked)] : []
  const dense = n_dense > 0 ? ` ${n_dense} dense latents are left out (--max-density).` : ''
  const unit = sites.some(({ unit }) => unit === 'runs')
    ? ' (in these texts, where a suite is not indexed)'
    : ''
  return [
    `${n_same} tokens are the same in both, ${n_replaced} are replaced, ${n('a')} are in A only, ${n('b')} in B only.`,
    `\n${next}`,
    `KL of the next token: ${final.kl_ab.toPrecision(3)} nats of A's prediction from B's, ${final.kl_ba.toPrecision(3)} of B's from A's.`,
    `\n${bySite}`,
    'Change: share of latent strength that differs on aligned tokens, 0 none, 1 all; then numbers of latents.',
    ...section('Latents that change on tokens that both texts have', changed),
    ...section('At the last tokens, from which the next is predicted', last),
    ...section('Latents that fire only in what one text alone has', apart),
    `\nEffect: (B - A) / the latent's own maximum${unit}, at the token where it is largest.${dense}`,
  ].join('\n')
}

/** Losses, the sites with their change, and the latents whose use differs most. */
export function renderModels(found: ModelComparison, labels: Labels, top: number): string {
  const { base, tuned, sites, layers } = found
  const bySite = renderTable(
    ['site', 'distance', 'cosine', 'FVU', '→', 'delta loss', '→', 'L0', '→', 'latents'],
    sites.map(({ hook, distance, cosine, base, tuned, n }) => [
      ...[hook, distance.toPrecision(3), cosine.toFixed(4)],
      ...[base.fvu?.toFixed(4), tuned.fvu?.toFixed(4)],
      ...[base.delta_ce_loss?.toFixed(4), tuned.delta_ce_loss?.toFixed(4)],
      ...[base.l0.toFixed(1), tuned.l0.toFixed(1)],
      n.gained + n.lost + n.strengthened + n.weakened,
    ]),
  )
  const byLayer = renderTable(
    ['stream after', 'distance', 'cosine'],
    layers.map(({ hook, distance, cosine }) => [hook, distance.toPrecision(3), cosine.toFixed(4)]),
  )
  const ranked = foremost(sites, top)
  const listed = renderTable(
    ['latent', 'change', 'effect', '±', 'density', '→', 'q', 'label'],
    ranked.map(({ hook, id, latent }) => [
      ...[`${hook}/${latent.index}`, latent.kind, signed(latent.effect)],
      ...[
        latent.effect_se.toPrecision(1),
        percent(latent.density_base),
        percent(latent.density_tuned),
      ],
      ...[
        latent.q === 0 ? '<1e-300' : latent.q.toExponential(0),
        labelOf(labels, id, latent.index),
      ],
    ]),
  )
  const n_found = sites.reduce(
    (sum, { n }) => sum + n.gained + n.lost + n.strengthened + n.weakened,
    0,
  )
  const count = (n: number) => n.toLocaleString('en')
  return [
    `${base.name} and ${tuned.name} on ${count(found.n_tokens)} tokens: loss ${nats(base.ce_loss)} and ${nats(tuned.ce_loss)}, KL of predictions ${found.kl?.toPrecision(3) ?? '–'} nats.`,
    found.first_changed === undefined
      ? 'Nothing differs by more than rounding.'
      : `The first site that differs is ${found.first_changed}.`,
    `\n${byLayer}`,
    `\n${bySite}`,
    `Distance: size of the difference over size of the activations. FVU and delta loss (nats, on ${count(found.splice_tokens)} tokens) of the same SAE in both models.`,
    ...(ranked.length > 0 ? [`\n${listed}`] : []),
    `${count(n_found)} latents differ at a false discovery rate of ${found.level}, of ${count(found.n_tests)} tests that take tokens as independent. Effect: mean difference over tokens in units of the latent's maximum, with its standard error.`,
  ].join('\n')
}

type Listed<Latent> = {
  readonly id: string
  readonly hook: string
  readonly latents: readonly Latent[]
}

/** The latents of all sites by |effect|. */
function foremost<Latent extends { readonly index: number; readonly effect: number }>(
  sites: readonly Listed<Latent>[],
  top: number,
): { id: string; hook: string; latent: Latent }[] {
  return sites
    .flatMap(({ id, hook, latents }) => latents.map((latent) => ({ id, hook, latent })))
    .sort((x, y) => Math.abs(y.latent.effect) - Math.abs(x.latent.effect))
    .slice(0, top)
}

const kindName = (kind: ChangeKind): string =>
  kind === 'only_a' ? 'A only' : kind === 'only_b' ? 'B only' : kind

function labelOf(labels: Labels, id: string, index: number): string | undefined {
  const label = labels.get(id)?.get(index)
  return label && label.length > MOST_LABEL ? `${label.slice(0, MOST_LABEL - 1)}…` : label
}

const signed = (x: number): string => `${x < 0 ? '-' : '+'}${Math.abs(x).toPrecision(2)}`
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.001 ? 2 : 1)} %`
const nats = (loss: number | undefined): string => loss?.toFixed(4) ?? '–'
