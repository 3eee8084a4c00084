/** Dictionaries small enough to write by hand, on the bundled model. */
import { type HookName, type Model, openRandom, padBatch } from '../src/model/index.ts'
import type { Sae } from '../src/sae/index.ts'

/** The bundled model's width. */
export const D_MODEL = 256

/** `n` values from -1 to 1, others at every call. */
export function openNoise(seed: number): (n: number) => Float32Array {
  const random = openRandom(seed)
  return (n) => Float32Array.from({ length: n }, () => 2 * random() - 1)
}

/** A TopK SAE of `d_sae` latents at a site. */
export function randomTopk(
  hook_name: HookName,
  { d_sae, k, noise }: { d_sae: number; k: number; noise: (n: number) => Float32Array },
): Sae & { readonly architecture: 'topk' } {
  return {
    architecture: 'topk',
    k,
    hook_name,
    d_in: D_MODEL,
    d_sae,
    W_enc: noise(D_MODEL * d_sae),
    b_enc: noise(d_sae),
    W_dec: noise(d_sae * D_MODEL),
    b_dec: noise(D_MODEL),
    threshold: new Float32Array(d_sae),
    metadata: {},
  }
}

/** A dictionary of random unit directions; encoder columns are `align` times the decoder row plus noise. */
export function randomSae(
  hook_name: HookName,
  d_in: number,
  { d_sae, align, noise }: { d_sae: number; align: number; noise: number },
): Sae {
  const random = openRandom(9)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const W_enc = new Float32Array(d_in * d_sae)
  const W_dec = new Float32Array(d_sae * d_in)
  for (let i = 0; i < d_sae; i++) {
    const row = Float64Array.from({ length: d_in }, normal)
    const norm = Math.hypot(...row)
    row.forEach((x, j) => {
      W_dec[i * d_in + j] = x / norm
      W_enc[j * d_sae + i] = (align * x) / norm + noise * normal()
    })
  }
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc,
    W_dec,
    b_enc: Float32Array.from({ length: d_sae }, () => 0.1 * normal()),
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae).fill(0.2),
    metadata: {},
  }
}

export const SEA = 'The sea rose and the waves broke over the ship; sailors watched the water.'
const OFFICE = 'The committee was elected in 1998 and published its report on the law.'

/** One latent that reads and writes the difference between sea and office, at the middle of the stream. */
export async function seaSae(model: Model, hook: HookName): Promise<Sae> {
  const d_in = model.config.d_model
  const average = async (text: string): Promise<Float32Array> => {
    const { acts } = await model.forward(padBatch([model.tokenizer!.tokenize(text)]), {
      hooks: [hook],
    })
    const { data, seq_len } = acts.get(hook)!
    const sum = new Float32Array(d_in)
    data.forEach((x, i) => {
      if (i >= d_in) sum[i % d_in] = sum[i % d_in]! + x / (seq_len - 1)
    })
    return sum
  }
  const sea = await average(SEA)
  const office = await average(OFFICE)
  const towards = sea.map((x, j) => x - office[j]!)
  const norm = Math.hypot(...towards)
  const unit = towards.map((x) => x / norm)
  const bias = -(dot(sea, unit) + dot(office, unit)) / 2
  return {
    ...randomSae(hook, d_in, { d_sae: 1, align: 1, noise: 0 }),
    W_enc: unit,
    W_dec: unit.slice(),
    b_enc: Float32Array.of(bias),
    threshold: Float32Array.of(0),
  }
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)
