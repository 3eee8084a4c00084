/** A quantity's name that carries its definition: on pointer, focus or tap, and by Escape away. */
import { type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react'

const definitions = {
  l0: 'L0: how many latents are active on a token, averaged over held-out tokens. “Asked” is what training aimed at.',
  fvu: 'FVU, fraction of variance unexplained: Σ‖x − x̂‖² / Σ‖x − mean(x)‖² over held-out tokens. 0 is a perfect reconstruction, 1 is no better than the mean.',
  delta_ce_loss:
    'Delta loss: by how many nats per token the model’s next-token loss rises when the activations are replaced by their reconstruction at exactly this site. BOS is left alone.',
  kl: 'KL divergence of the model’s predictions with the reconstruction in place from those without, mean over tokens in nats.',
  ce_loss_recovered:
    'Loss recovered: (loss with the site set to zero − loss with the reconstruction) / (loss with the site set to zero − the model’s own loss). 1 is a perfect reconstruction, 0 is no better than zero.',
  l2_ratio: 'L2 ratio: mean over tokens of ‖x̂‖ / ‖x‖. Below 1 the reconstruction is too short.',
  relative_reconstruction_bias:
    'Relative reconstruction bias: E‖x̂‖² / E(x · x̂). 1 is unbiased, below 1 the reconstruction is shrunk.',
  uniformity:
    'r_L0: the share of a token’s active latents that effectively matters to the next token. 1 is all of them alike.',
  mse: 'Reconstruction loss: ‖x − x̂‖², mean over the tokens since the last point, inputs scaled to a mean square norm of 1.',
  sparsity_loss:
    'What training pays for active latents: the term of its architecture with its coefficient λ. 0 where L0 is built in.',
  aux_loss:
    'The auxiliary term of the architecture: the gate’s own reconstruction (gated), or what dead latents make of the error (top-k).',
  lambda: 'λ: the coefficient of the sparsity loss.',
  dead_training:
    'Dead: share of latents that have not fired within the recipe’s window of training tokens.',
  tokens_per_s: 'Tokens a second of the whole suite, every SAE trained on each of them.',
  dead: 'Dead: share of latents that did not fire once in the window of tokens named below the table.',
  density:
    'Density: share of tokens on which the latent is active. Special tokens are not counted.',
  densities:
    'How the latents spread over density, on a logarithmic scale from rare (left) to frequent (right).',
  labelled: 'How many latents carry at least one label, of any method.',
  d_sae: 'd_sae: how many latents the dictionary has.',
  max_act: 'The latent’s largest activation in the corpus, in the model’s own units.',
  mean_act: 'The mean over the tokens on which the latent is active.',
  loss: 'Loss: −ln of the probability the model gave this token, in nats. The underline of a token grows with it.',
  direct_effect:
    'Direct effect: activation × decoder direction · (unembedding of the token − mean unembedding) ÷ the final norm’s scale at this token. In logits, before any softcap. It follows the path straight from the latent to the output; what later layers make of the latent is not in it, so in early layers it is a small part of the story.',
  logit_lens:
    'Logit lens: what would be predicted next if the model ended after this layer, through its own final norm and unembedding. Early layers write in a form that the unembedding does not read: there it says little.',
  strength: 'Activation divided by the latent’s own maximum in the corpus.',
  effect:
    'How much the logit of an output token rises per unit of activation, from the decoder direction through the final norm and the unembedding.',
  change:
    'Change: the share of latent strength that differs, Σ|b − a| / Σ max(a, b) over latents, each in units of its own maximum. 0 is nothing, 1 is nothing in common.',
  change_effect:
    'Effect: activation in B minus activation in A, in units of the latent’s own maximum, at the token where it is largest.',
  shift_effect:
    'Effect: mean over tokens of the activation in the other model minus that in the suite’s own, as a share of the latent’s maximum; ± its standard error.',
  next_kl:
    'KL(A ‖ B) of what is predicted next, in nats: how far A’s prediction is from B’s. 0 is the same prediction.',
  distance:
    'Distance: √(Σ‖other − own‖² / Σ‖own‖²) of the activations of the same tokens. 0 is the same.',
  alike:
    'Mean cosine between the activations of the same tokens in both models. 1 is the same direction.',
  q: 'q: among all latents listed up to this one, the share expected to be there by chance (Benjamini–Hochberg over two sign tests a latent).',
  cosine: 'Cosine between the decoder directions of two latents. 1 is the same direction.',
  self_test:
    'Self-test: L0, FVU and delta loss on a built-in text beside what the release claims of this dictionary. Press a badge for the numbers.',
  doubt:
    'Doubt: the largest of 1 − score, the share of votes that dispute, half the share of blind guesses that differ, and half of how far another label differs in its words, over the labels of the latent. The most doubtful come first, then the most used.',
  overlap:
    'Words in both over words in either, each counted once, mean over the guesses; behind it what guesses share with the labels of other latents, by chance.',
  ablation:
    'The latent’s part is taken out of the activation, f · decoder row, wherever it is on; its dictionary’s error stays. Change of the next-token loss in nats, ablated less plain: mean over examples ± standard error. Above 0 the model needs it.',
  companions:
    'Of the tokens where this latent is on, the share where the other is on too, and how many times the other’s density in the corpus that is. In order of share × ln(times).',
  score: 'How well the label predicted where the latent fires, by the method named.',
  perplexity:
    'exp of the mean negative log-probability of the tokens under the model as it is, behind the prompt: how strange the text is to the unsteered model.',
  sweep_activation:
    'Mean activation of the strongest latent changed over the tokens of the texts, when the model as it is reads them.',
  sweep_kl:
    'KL divergence of the steered next-token distributions from the default ones, in nats a token, on the same tokens at every strength: those of the default texts.',
  repetition:
    'Share of a text’s 3-token runs that occurred in it before, mean over the texts. 0 repeats nothing.',
} as const

/** A name that has a definition. */
export type TermName = keyof typeof definitions

/** The term as a small button with a dotted underline; the note floats, so nothing moves. */
export function Term(props: { of: TermName; children: ReactNode }) {
  const id = useId()
  const [open, setOpen] = useState(false)
  return (
    <span className="term-box">
      <button
        type="button"
        className="term"
        aria-describedby={open ? id : undefined}
        onPointerEnter={(e) => e.pointerType === 'mouse' && setOpen(true)}
        onPointerLeave={(e) => e.pointerType === 'mouse' && setOpen(false)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onClick={() => setOpen(true)}
        onKeyDown={(e) => e.key === 'Escape' && setOpen(false)}
      >
        {props.children}
      </button>
      {open && <Note id={id}>{definitions[props.of]}</Note>}
    </span>
  )
}

/** A floating note at the element that it lies in. */
export function Note(props: { id: string; children: ReactNode }) {
  const note = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => {
    const element = note.current
    const anchor = element?.parentElement?.getBoundingClientRect()
    if (!element || !anchor) return
    element.showPopover()
    const { width, height } = element.getBoundingClientRect()
    const left = Math.max(8, Math.min(anchor.left, innerWidth - width - 8))
    const below = anchor.bottom + 6
    const top = below + height > innerHeight - 8 ? anchor.top - height - 6 : below
    element.style.left = `${left}px`
    element.style.top = `${top}px`
  }, [])
  return (
    <span ref={note} id={props.id} role="tooltip" popover="manual" className="note">
      {props.children}
    </span>
  )
}
