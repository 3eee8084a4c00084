/** The keys, and how to read the page, in one dialog. */
import { useEffect, useRef } from 'react'

const keys: readonly (readonly [keys: readonly string[], does: string])[] = [
  [['←', '→', '↑', '↓'], 'move over the cells of the microscope'],
  [['Enter'], 'lock the strongest latent of the cell; again to unlock'],
  [['Esc'], 'unlock; close'],
  [['o'], 'open the latent that is locked, or the strongest of the cell'],
  [['j', 'k'], 'next and previous latent, on a latent’s page'],
  [['e'], 'write a label, on a latent’s page'],
  [['u'], 'take the last change of a label, or the last review, back'],
  [['a', 'e', 'd', 'x'], 'accept, edit, dispute, skip, in the review; i to write the guess'],
  [['1', '2', '3'], 'the guess is the same, partly, different, in a blind review'],
  [['s'], 'steer with the latent'],
  [['/'], 'search'],
  [['g', 'm'], 'go to the microscope; g s search, g t steer, g u suite, g c compare, g r review'],
  [['p'], 'pause or continue the run, in the suite view'],
  [['←', '→'], 'read the curves step by step, when one has the focus'],
  [['?'], 'this help'],
]

/** A modal dialog with the keys and four sentences of explanation. */
export function Help(props: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (props.open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [props.open])
  return (
    <dialog ref={dialog} className="help" onClose={props.onClose} aria-labelledby="help-title">
      <h2 id="help-title">How to read this</h2>
      <p>
        A language model turns each token into a long list of numbers, and every layer rewrites that
        list. A sparse autoencoder describes such a list by the few <em>latents</em> that are active
        out of thousands. A latent often stands for something one can name; its label says what, and
        is a claim to be checked, not a fact.
      </p>
      <p>
        Look at a latent’s examples. Guess what they share. Try to prove the guess wrong in the test
        box. Then steer with it, and see whether the text follows.
      </p>
      <h2>Keys</h2>
      <dl className="key-list">
        {keys.map(([names, does]) => (
          <div key={does}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  )
}
