/** Keeps the view on the screen as one HTML file. */
import { useState } from 'react'
import { renderView } from '../format/shareView.ts'
import { useKeys } from '../state/keys.ts'
import { saveFile } from '../state/saveFile.ts'

/** A button, and the key S. */
export function ShareButton() {
  const [failed, setFailed] = useState<string>()
  const share = () => {
    setFailed(undefined)
    save().catch((error: unknown) => {
      setFailed(error instanceof Error ? error.message : String(error))
    })
  }
  useKeys({ S: share })
  return (
    <>
      <button
        type="button"
        className="bar-button"
        aria-label="Keep this view as a file"
        title={failed ?? 'Keep this view as a file (S)'}
        onClick={share}
      >
        <svg viewBox="0 0 20 20" className="share-icon" aria-hidden="true">
          <path d="M10 3v9m-3.5-3.5L10 12l3.5-3.5M4 13.5V17h12v-3.5" />
        </svg>
      </button>
      {failed !== undefined && (
        <span role="alert" className="share-failed">
          The view was not kept: {failed}
        </span>
      )}
    </>
  )
}

async function save(): Promise<void> {
  const html = await renderView(document, new URL(location.href))
  saveFile(`${fileName()}.html`, html, 'text/html')
}

/** `hooke-latent-417`, from the view's address. */
function fileName(): string {
  const path = location.hash.startsWith('#/') ? location.hash.slice(1) : location.pathname
  const [view, , index] = path
    .split('?')[0]!
    .split('/')
    .filter((part) => part !== '')
  return ['hooke', view ?? 'microscope', ...(index === undefined ? [] : [index])].join('-')
}
