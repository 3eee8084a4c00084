/** How to read the page, and every key, in one dialog. */
import { useLocation } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { keyList, printed } from '../state/keyList.ts'
import { viewAt } from '../state/views.ts'

/** A modal dialog with a few sentences of explanation and the keys, grouped by where they work: here first. */
export function Help(props: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (props.open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [props.open])
  const here = viewAt(useLocation().pathname)
  const groups = [...Map.groupBy(keyList, ({ where }) => where)].toSorted(
    ([a], [b]) => Number(b === here) - Number(a === here),
  )
  return (
    <dialog ref={dialog} className="help" onClose={props.onClose} aria-labelledby="help-title">
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
      <h2 id="help-title">How to read this</h2>
      <p>
        A language model turns each token into a long list of numbers, and every layer rewrites that
        list. A sparse autoencoder describes such a list by the few <em>latents</em> that are active
        out of thousands. A latent often stands for something one can name; its label says what, and
        is a claim to be checked, not a fact.
      </p>
      <p>
        Look at a latent’s examples. Guess what they share. Try to prove the guess wrong in the test
        box. Then steer with it, and see whether the text follows. <em>Learn</em> leads through it.
      </p>
      <h2>Keys</h2>
      <p>
        All of them have an equal by touch: tap a token or a cell to read it, a dotted word for its
        definition, <q>Go to</q> in the bar for everything else.
      </p>
      <div className="key-groups">
        {groups.map(([where, entries]) => (
          <section key={where} aria-label={`Keys: ${where}`}>
            <h3>{where === here ? `${where}: here` : where}</h3>
            <dl className="key-list">
              {entries.map(({ keys, does }) => (
                <div key={does}>
                  <dt>
                    {keys.flatMap(printed).map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  )
}
