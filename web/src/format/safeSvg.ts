/**
 * An SVG picture as elements that may stand in the page. It is drawn in `currentColor`, which only an inline picture takes from
 * the page, so it is not shown as an `<img>`; and it carries names from files, so nothing but shapes and text comes in.
 */

const elements: ReadonlySet<string> = new Set(
  'svg g path line polyline polygon rect circle ellipse text tspan title desc'.split(' '),
)

// No name of a part (aria-label) either: a picture is one image to screen readers, and has one name.
const attributes: ReadonlySet<string> = new Set(
  `viewBox width height preserveAspectRatio x y x1 y1 x2 y2 dx dy cx cy r rx ry d points transform opacity
  fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-linecap stroke-linejoin vector-effect
  font-family font-size font-weight font-style text-anchor dominant-baseline font-variant letter-spacing`.split(
    /\s+/,
  ),
)

/** Whether an attribute's value could fetch something: `url(...)` may name an address. */
const fetches = /url\s*\(/i

/** What the content policy lets read markup: here only, where nothing but copies of what is listed leaves. */
type Policy = { createHTML(text: string): string }
type Policies = { createPolicy(name: string, rules: Policy): Policy }
const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes
const policy: Policy = { createHTML: (text) => text }
const reader = policies?.createPolicy('hooke-svg', policy) ?? policy

/** The picture, rid of every element and attribute that is not listed above; undefined where the text is no SVG. */
export function safeSvg(text: string): SVGSVGElement | undefined {
  // Its style sheet is for where the picture stands alone; parsing one that the page may not have is reported as an offence.
  const unstyled = text.replaceAll(/<style\b[^>]*>[^<]*<\/style>/g, '')
  const parsed = new DOMParser().parseFromString(reader.createHTML(unstyled), 'image/svg+xml')
  const root = parsed.documentElement
  if (root.localName !== 'svg' || parsed.querySelector('parsererror')) return undefined
  const copy = safeCopy(root)
  return copy instanceof SVGSVGElement ? copy : undefined
}

function safeCopy(element: Element): Element | undefined {
  if (!elements.has(element.localName)) return undefined
  const copy = document.createElementNS('http://www.w3.org/2000/svg', element.localName)
  for (const { name, value } of element.attributes)
    if (attributes.has(name) && !fetches.test(value)) copy.setAttribute(name, value)
  for (const child of element.childNodes) {
    if (child instanceof Element) {
      const safe = safeCopy(child)
      if (safe) copy.append(safe)
    } else if (child.nodeType === Node.TEXT_NODE) copy.append(child.textContent ?? '')
  }
  return copy
}
