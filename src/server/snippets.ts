/** Code that loads an SAE elsewhere, ready to paste. */
import { SAELENS_FILES, type SaelensConfig } from '../sae/index.ts'

/**
 * How to load an SAE from its folder in Python and in TypeScript.
 * @param dir absolute path of the SAE's folder.
 * @param config what its cfg.json says.
 */
export function snippetsOf(options: {
  dir: string
  model: string
  latent: number
  config: Pick<SaelensConfig, 'activation' | 'hook_name' | 'transcoder'>
}): {
  python: string
  typescript: string
} {
  const { dir, model, latent, config } = options
  const { activation, transcoder } = config
  const hook = JSON.stringify(config.hook_name)
  const weights = JSON.stringify(`${dir}/${SAELENS_FILES.weights}`)
  const recon =
    transcoder === undefined
      ? ''
      : `
const recon = await sae.decode(latents, acts.get(${hook})!.data) // at ${transcoder.hook_name_out}`
  return {
    python:
      transcoder !== undefined && activation === 'topk'
        ? `# SAELens has no TopK transcoders
from safetensors.numpy import load_file

direction = load_file(${weights})["W_dec"][${latent}]`
        : `from sae_lens import SAE

sae = SAE.load_from_disk(${JSON.stringify(dir)})
direction = sae.W_dec[${latent}]`,
    typescript: `import { openModel, padBatch } from 'hooke/model'
import { openRunner } from 'hooke/sae'
import { loadSae } from 'hooke/sae/disk'

const model = await openModel(${JSON.stringify(model)})
const sae = await openRunner(await loadSae(${JSON.stringify(dir)}))
const ids = model.tokenizer!.tokenize('Your text')
const { acts } = await model.forward(padBatch([ids]), { hooks: [${hook}] })
const latents = await sae.encode(acts.get(${hook})!.data)${recon}`,
  }
}
