/** Code that loads an SAE elsewhere, ready to paste. */

/**
 * How to load an SAE from its folder in Python and in TypeScript.
 * @param dir absolute path of the SAE's folder.
 */
export function snippetsOf(options: { dir: string; model: string; hook: string; latent: number }): {
  python: string
  typescript: string
} {
  const { dir, model, hook, latent } = options
  return {
    python: `from sae_lens import SAE

sae = SAE.load_from_disk(${JSON.stringify(dir)})
direction = sae.W_dec[${latent}]`,
    typescript: `import { openModel, padBatch } from 'hooke/model'
import { openRunner } from 'hooke/sae'
import { loadSae } from 'hooke/sae/disk'

const model = await openModel(${JSON.stringify(model)})
const sae = await openRunner(await loadSae(${JSON.stringify(dir)}))
const ids = model.tokenizer!.tokenize('Your text')
const { acts } = await model.forward(padBatch([ids]), { hooks: [${JSON.stringify(hook)}] })
const latents = await sae.encode(acts.get(${JSON.stringify(hook)})!.data)`,
  }
}
