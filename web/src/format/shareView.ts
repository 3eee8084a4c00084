/**
 * The view that is on the screen as one HTML file: styles inside, no scripts, nothing fetched. It opens offline and shows what was
 * seen; of lists that draw only what is in sight it holds that part.
 */

/** The file may show itself and nothing else. */
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

/** What runs, fetches, or holds text that is not escaped; what only works with scripts. */
const dropped =
  'script, style, link, meta, base, noscript, template, iframe, object, embed, audio, video, animate, set, foreignObject, dialog:not([open]), .skip, [data-not-shared]'

/** Attributes that name an address. Links are treated apart. */
const addresses: ReadonlySet<string> = new Set(
  'href src srcset xlink:href action formaction poster data background ping'.split(' '),
)

/** An address only this machine can open. */
const isLocal = (host: string) => /^(localhost|127\.|\[::1\]|0\.0\.0\.0)/.test(host)

/** @param page the document that is shown. @returns the whole file. */
export async function renderView(page: Document, address: URL): Promise<string> {
  const view = page.body.cloneNode(true) as HTMLElement
  await keepState(page.body, view)
  for (const element of view.querySelectorAll(dropped)) element.remove()
  for (const element of view.querySelectorAll('*')) clean(element, address)

  const { theme } = page.documentElement.dataset
  const body = page.createElement('body')
  body.append(origin(page, address), ...view.childNodes)
  const head = [
    meta(page, { charset: 'utf-8' }),
    meta(page, { 'http-equiv': 'Content-Security-Policy', content: policy }),
    meta(page, { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    meta(page, { name: 'color-scheme', content: 'light dark' }),
    Object.assign(page.createElement('title'), { textContent: page.title }),
  ].map((element) => element.outerHTML)
  // As text: a style element would count as the page's own, which may have none.
  return `<!doctype html>
<html lang="en"${theme === 'light' || theme === 'dark' ? ` data-theme="${theme}"` : ''}>
<head>
${head.join('\n')}
<style>
${await stylesOf(page)}
</style>
</head>
${body.outerHTML}
</html>
`
}

function meta(page: Document, attributes: Readonly<Record<string, string>>): HTMLMetaElement {
  const element = page.createElement('meta')
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

/** One line that says what the file is. */
function origin(page: Document, address: URL): HTMLElement {
  const line = page.createElement('p')
  line.className = 'site-notice'
  line.append(
    `A view of Hooke, kept on ${new Date().toISOString().slice(0, 10)}; nothing in it runs. `,
  )
  if (!isLocal(address.host) && address.protocol.startsWith('http')) {
    const link = page.createElement('a')
    link.href = address.href
    link.append('Where it comes from')
    line.append(link)
  }
  return line
}

/**
 * The page's style sheets as they were written (rules read back lose shorthands with variables), without what fetches, and
 * without what could end the element.
 */
async function stylesOf(page: Document): Promise<string> {
  const sheets = [...page.styleSheets].map(async ({ href, ownerNode }) =>
    href === null ? (ownerNode?.textContent ?? '') : (await fetch(href)).text(),
  )
  return (await Promise.all(sheets))
    .join('\n')
    .replaceAll(/url\((?!["']?data:)[^)]*\)/g, 'none')
    .replaceAll('</', '<\\/')
}

/** What a copy of the elements does not carry: what was typed and chosen, and pictures that were drawn. */
async function keepState(shown: Element, copy: Element): Promise<void> {
  const originals = [...shown.querySelectorAll('*')]
  const copies = [...copy.querySelectorAll('*')]
  for (const [i, original] of originals.entries()) {
    const twin = copies[i]
    if (!twin) continue
    if (original instanceof HTMLInputElement) {
      if (original.type !== 'password') twin.setAttribute('value', original.value)
      twin.toggleAttribute('checked', original.checked)
    } else if (original instanceof HTMLTextAreaElement) twin.textContent = original.value
    else if (original instanceof HTMLOptionElement)
      twin.toggleAttribute('selected', original.selected)
    else if (original instanceof HTMLCanvasElement)
      twin.replaceWith(picture(shown.ownerDocument, original.toDataURL(), original))
    else if (original instanceof HTMLImageElement && original.naturalWidth > 0)
      twin.setAttribute('src', await dataOf(original))
  }
}

function picture(page: Document, src: string, drawn: HTMLCanvasElement): HTMLImageElement {
  const image = page.createElement('img')
  image.src = src
  image.alt = drawn.getAttribute('aria-label') ?? ''
  image.className = drawn.className
  image.style.cssText = drawn.style.cssText
  return image
}

async function dataOf(image: HTMLImageElement): Promise<string> {
  if (image.src.startsWith('data:')) return image.src
  const canvas = image.ownerDocument.createElement('canvas')
  canvas.width = image.naturalWidth
  canvas.height = image.naturalHeight
  canvas.getContext('2d')?.drawImage(image, 0, 0)
  return canvas.toDataURL()
}

/** Takes from an element what runs or fetches; links stay where others can follow them. */
function clean(element: Element, address: URL): void {
  for (const { name, value } of [...element.attributes]) {
    const isRun = name.toLowerCase().startsWith('on')
    if (isRun) element.removeAttribute(name)
    else if (!addresses.has(name.toLowerCase())) continue
    else if (element.localName === 'a' && name === 'href') keepLink(element, value, address)
    else if (!isInside(element, name, value)) element.removeAttribute(name)
  }
  if (element.localName === 'button') element.setAttribute('tabindex', '-1')
}

/** A picture's own data, or a part of the same drawing. */
const isInside = (element: Element, name: string, value: string): boolean =>
  (element.localName === 'img' && name === 'src' && value.startsWith('data:image/')) ||
  (element.namespaceURI === 'http://www.w3.org/2000/svg' && value.startsWith('#'))

function keepLink(link: Element, value: string, address: URL): void {
  const to = URL.canParse(value, address.href) ? new URL(value, address.href) : undefined
  const isPublic = to?.protocol === 'https:' || to?.protocol === 'http:'
  if (to && isPublic && !isLocal(to.host)) {
    link.setAttribute('href', to.href)
    link.setAttribute('rel', 'noreferrer')
  } else link.removeAttribute('href')
  link.removeAttribute('download')
}
