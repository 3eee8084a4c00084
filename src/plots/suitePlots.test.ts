import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import type { Metrics } from '../sae/index.ts'
import { type PlottedSae, suitePlots } from './index.ts'
import { oneASite, rampColor, seriesOf, siteOf } from './series.ts'

function saeAt(layer: number, l0: number, rest: Partial<PlottedSae> = {}): PlottedSae {
  const fvu = (0.1 * (layer + 1)) / l0
  const metrics: Metrics = {
    n_tokens: 20_000,
    n_excluded: 3,
    l0,
    fvu,
    delta_ce_loss: 2 * fvu,
    dead: 0.125,
    dead_window_tokens: 20_000,
    density_histogram: { edges: [-3, -2, -1, 0], counts: [1, 5, 1] },
    by_position: [
      { start: 1, end: 2, n_tokens: 7, fvu: fvu / 2, delta_ce_loss: 0 },
      { start: 2, end: 3, n_tokens: 17, fvu },
      { start: 4, end: 6, n_tokens: 27, fvu, delta_ce_loss: fvu },
    ],
    absent: {},
    model_hash: '',
    corpus_hash: '',
  }
  return {
    hook: `blocks.${layer}.hook_resid_post`,
    d_sae: 8,
    l0_target: l0,
    architecture: 'jumprelu',
    metrics,
    ...rest,
  }
}

const grid = [0, 1, 3].flatMap((layer) => [4, 8].map((l0) => saeAt(layer, l0)))

/** Elements of a plot as a parser of documents sees them. */
function parse(svg: string) {
  const { document } = parseHTML(`<html><body>${svg}</body></html>`)
  const all = (selector: string) => [...document.querySelectorAll(selector)]
  return { all, texts: all('text').map((node) => node.textContent) }
}
const plotOf = (saes: readonly PlottedSae[], name: string): string =>
  suitePlots(saes).find((plot) => plot.name === name)!.svg

describe('plots of a suite', () => {
  it('are four, each a document with a title, a description and no scripts', () => {
    const plots = suitePlots(grid)
    expect(plots.map(({ name }) => name)).toEqual(['frontier', 'layers', 'density', 'position'])
    for (const { name, title, svg } of plots) {
      expect(svg.startsWith('<svg ') && svg.endsWith('</svg>\n')).toBe(true)
      expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"')
      const { all, texts } = parse(svg)
      expect(all('title')[0]!.textContent).toBe(title)
      expect(all('title')[0]!.id).toBe(`${name}-title`)
      expect(all('desc')[0]!.textContent.length).toBeGreaterThan(20)
      expect(texts).toContain(title)
      expect(all('script')).toEqual([])
      expect(svg).not.toContain('NaN')
    }
  })

  it('are the same bytes for the same numbers', () => {
    expect(suitePlots(grid)).toEqual(suitePlots(grid))
  })

  it('draw a line for every site and a dot for every dictionary', () => {
    const frontier = parse(plotOf(grid, 'frontier'))
    expect(frontier.all('g[aria-label=line] path')).toHaveLength(2 * 3)
    expect(frontier.all('g[aria-label=dot] circle')).toHaveLength(2 * 6)
    expect(frontier.texts).toEqual(expect.arrayContaining(['layer 0', 'layer 1', 'layer 3']))
    const layers = parse(plotOf(grid, 'layers'))
    expect(layers.all('g[aria-label=line] path')).toHaveLength(2 * 2)
    expect(layers.texts).toEqual(expect.arrayContaining(['L0 4 asked', 'L0 8 asked', '2']))
  })

  it('place a better dictionary lower', () => {
    const { all } = parse(plotOf([saeAt(0, 4), saeAt(1, 4)], 'frontier'))
    const [near, far] = all('g[aria-label=dot] circle').map((dot) => Number(dot.getAttribute('cy')))
    expect(near).toBeGreaterThan(far!)
  })

  it('break no line where a number is missing, and leave out what was never measured', () => {
    const { fvu: _, by_position: __, ...metrics } = saeAt(1, 4).metrics
    const old = { ...saeAt(1, 4), metrics }
    expect(suitePlots([saeAt(0, 4), old]).map(({ name }) => name)).toContain('position')
    expect(suitePlots([old]).map(({ name }) => name)).toEqual(['frontier', 'density'])
    expect(parse(plotOf([saeAt(0, 4), old], 'frontier')).all('circle')).toHaveLength(1 + 2)
    expect(suitePlots([])).toEqual([])
  })

  it('say how many tokens stand behind a number', () => {
    expect(plotOf(grid, 'frontier')).toContain('Measured on 20,000 held-out tokens.')
    expect(plotOf(grid, 'position')).toContain('the smallest, 1, holds 7 tokens')
    expect(plotOf(grid, 'density')).toContain('12.5 % dead')
  })

  it('escape names that people chose', () => {
    const suite = '</text><script>alert(1)</script>\u0000&"'
    const two = [saeAt(0, 4, { suite }), saeAt(1, 4, { suite: 'other' })]
    for (const { svg } of suitePlots(two)) {
      expect(svg).not.toContain('<script')
      expect(svg).not.toContain('\u0000')
    }
    expect(plotOf(two, 'frontier')).toContain('&lt;script&gt;')
  })
})

describe('series', () => {
  it('are named by what sets them apart, and say what they share', () => {
    const { series, common } = seriesOf(grid, 'l0')
    expect(series.map(({ label }) => label)).toEqual(['layer 0', 'layer 1', 'layer 3'])
    expect(common).toBe('jumprelu · resid_post · 8 latents')
    expect(new Set(series.map(({ color }) => color)).size).toBe(3)
  })

  it('are coloured by architecture where there are several, and dashed by width where layers have the colours', () => {
    const kinds = [saeAt(0, 4), saeAt(1, 4), saeAt(0, 4, { architecture: 'topk' })]
    const { series, keys } = seriesOf(kinds, 'l0')
    expect(series.map(({ color }) => color)).toEqual([
      series[0]!.color,
      series[0]!.color,
      series[2]!.color,
    ])
    expect(series[2]!.color).not.toBe(series[0]!.color)
    expect(keys.map(({ label }) => label)).toEqual(['jumprelu', 'topk'])
    const widths = seriesOf([...grid, saeAt(0, 4, { d_sae: 2048 })], 'l0')
    expect(new Set(widths.series.map(({ dash }) => dash)).size).toBe(2)
    expect(widths.keys.map(({ label }) => label)).toContain('2k latents')
  })

  it('thin to one dictionary a site, the widest with the middle target', () => {
    const many = [...grid, saeAt(0, 16), saeAt(1, 4, { d_sae: 16 })]
    expect(oneASite(many, 99)).toBe(many)
    const thinned = oneASite(many, 3).map(({ d_sae, l0_target }) => [d_sae, l0_target])
    expect(thinned).toEqual([
      [8, 8],
      [16, 4],
      [8, 8],
    ])
  })

  it('run from blue to orange', () => {
    expect(rampColor(0)).toBe('#3f83dc')
    expect(rampColor(0.5)).toBe('#a266c4')
    expect(rampColor(0.25)).toBe('#7175d0')
    expect(siteOf('blocks.3.attn.hook_z')).toBe('attn z')
    expect(siteOf('ln_final.hook_normalized')).toBe('ln_final normalized')
  })
})
