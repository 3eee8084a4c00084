/** On a static copy: what it is, and what it cannot do. */
import { siteIndexAt } from '../state/site.ts'

/** One line above the view; nothing where a server answers. */
export function SiteNotice() {
  if (siteIndexAt === undefined) return null
  return (
    <p className="site-notice">
      A static copy: look, read and search. Texts of your own, steering and labels need Hooke itself
      (<code>hooke serve</code>).
    </p>
  )
}
