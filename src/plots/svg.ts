/** SVG elements, made in a document of linkedom: no browser is needed, and every text is escaped where it is written out. */

import { parseHTML } from 'linkedom'

/** What plots need of an element; the page's own types are not known here. */
export interface SvgElement {
  readonly outerHTML: string
  setAttribute(name: string, value: string): void
  removeAttribute(name: string): void
  append(...children: readonly (SvgElement | string)[]): void
  querySelector(selector: string): { remove(): void } | null
}

/** The document that elements are made in; nothing is put into it. */
export const { document } = parseHTML('<!doctype html><html></html>')

const NAMESPACE = 'http://www.w3.org/2000/svg'

/** An element with attributes and children; a string is a text. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>> = {},
  children: readonly (SvgElement | string)[] = [],
): SvgElement {
  const made = document.createElementNS(NAMESPACE, name) as unknown as SvgElement
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  made.append(...children)
  return made
}

/** About how wide a text is in a sans serif of `size`. */
export const textWidth = (text: string, size: number): number => text.length * size * 0.58
