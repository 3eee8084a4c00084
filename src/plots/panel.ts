/** One pair of axes with lines and dots, drawn by Observable Plot. */

import * as Plot from '@observablehq/plot'
import type { Series } from './series.ts'
import { document, element, type SvgElement } from './svg.ts'

/** A point of a series; a line is broken where `y` is undefined. */
type Point = { readonly x: number; readonly y: number | undefined }
export type Line = Pick<Series, 'color' | 'dash'> & { readonly points: readonly Point[] }

export type Axis = {
  readonly label: string
  /** Ticks at powers of two, or of two and one and a half of them where there are few. */
  readonly log?: boolean
  readonly domain?: readonly [number, number]
  readonly ticks?: readonly number[]
  readonly format?: (value: number) => string
}

const MARGIN = { marginTop: 30, marginRight: 14, marginBottom: 40, marginLeft: 54 }

/** Lines with dots over two axes, both in words. */
export function drawLines(options: {
  readonly lines: readonly Line[]
  readonly x: Axis
  readonly y: Axis
  readonly width: number
  readonly height: number
}): SvgElement {
  const { x, y, width, height } = options
  // A log axis is a linear one of logarithms: Plot's own leaves out the names of some ticks asked for.
  const to = x.log === true ? Math.log2 : (value: number) => value
  const lines = options.lines.map(({ points, color, dash }) => ({
    stroke: color,
    strokeDasharray: dash,
    points: points.flatMap((point) =>
      point.y === undefined ? [] : [{ x: to(point.x), y: point.y }],
    ),
  }))
  const points = options.lines.flatMap((line) => line.points)
  const domain =
    x.domain ??
    padded(
      points.map((point) => point.x),
      x.log === true,
    )
  const ticks = x.ticks ?? (x.log === true ? logTicks(domain) : undefined)
  const many = points.length > 60
  const svg = drawPlot({
    width,
    height,
    ...MARGIN,
    x: {
      label: null,
      domain: domain.map(to),
      ...(ticks === undefined ? {} : { ticks: ticks.map(to) }),
      tickFormat: (value: number) => (x.format ?? String)(x.log === true ? 2 ** value : value),
    },
    y: {
      label: null,
      grid: true,
      zero: true,
      nice: true,
      ticks: 6,
      ...(y.format === undefined ? {} : { tickFormat: y.format }),
    },
    marks: [
      ...lines.map(({ points, ...stroke }) =>
        Plot.line(points, { x: 'x', y: 'y', strokeWidth: many ? 1.2 : 1.8, ...stroke }),
      ),
      ...lines.map(({ points, stroke }) =>
        Plot.dot(points, { x: 'x', y: 'y', fill: stroke, r: many ? 1.8 : 3 }),
      ),
    ],
  })
  svg.append(
    element('text', { x: 16, y: 16, 'text-anchor': 'start', 'font-weight': 600 }, [y.label]),
    element('text', { x: (MARGIN.marginLeft + width - MARGIN.marginRight) / 2, y: height - 6 }, [
      x.label,
    ]),
  )
  return svg
}

/** Plot's drawing without its style sheet and class, which would reach beyond it. */
export function drawPlot(options: Plot.PlotOptions): SvgElement {
  const svg = Plot.plot({ ...options, document }) as unknown as SvgElement
  svg.querySelector('style')?.remove()
  for (const attribute of ['class', 'font-size', 'font-family', 'viewBox'])
    svg.removeAttribute(attribute)
  return svg
}

/** The range of values with room around it, so that no dot lies on an axis. */
export function padded(values: readonly number[], log: boolean): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (log) {
    const room = high / low < 1.5 ? 1.8 : Math.max(1.15, (high / low) ** 0.06)
    return [low / room, high * room]
  }
  const room = Math.max((high - low) * 0.04, 0.5)
  return [low - room, high + room]
}

function logTicks([low, high]: readonly [number, number]): number[] {
  const ticks: number[] = []
  for (let power = 2 ** Math.floor(Math.log2(low)); power <= high; power *= 2) {
    ticks.push(power)
    if (high / low < 12) ticks.push(1.5 * power)
  }
  return ticks.filter((tick) => tick >= low && tick <= high)
}
