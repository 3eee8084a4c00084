import { expect, it } from 'vitest'
import { decode, encode, type Sae } from '../sae/index.ts'
import { foldScale } from './fold.ts'
import { latentRandom } from './initialise.ts'

it('folds scale and bias so that the SAE reads raw activations as training read scaled ones', () => {
  const [n, d_in, d_sae, norm] = [3, 5, 7, 13]
  const random = latentRandom(1, 2, 3)
  const fill = (length: number) => Float32Array.from({ length }, () => 2 * random() - 1)
  const trained = {
    W_enc: fill(d_sae * d_in),
    b_enc: fill(d_sae),
    W_dec: fill(d_sae * d_in),
    b_dec: fill(d_in),
    threshold: fill(d_sae).map((v) => Math.abs(v) / 4),
  }
  const raw = fill(n * d_in).map((v) => v * norm)
  const sae: Sae = {
    ...{ architecture: 'jumprelu', hook_name: 'hook_embed', d_in, d_sae, metadata: {} },
    ...foldScale(trained, norm, { input_bias: true }),
  }
  const acts = encode(sae, raw)
  const recon = decode(sae, acts)

  let entry = 0
  for (let t = 0; t < n; t++) {
    const expected = Float64Array.from(trained.b_dec)
    for (let i = 0; i < d_sae; i++) {
      let pre = trained.b_enc[i]!
      for (let k = 0; k < d_in; k++)
        pre += (raw[t * d_in + k]! / norm - trained.b_dec[k]!) * trained.W_enc[i * d_in + k]!
      if (pre <= trained.threshold[i]!) continue
      expect(acts.index[entry]).toBe(i)
      expect(acts.value[entry++]).toBeCloseTo(norm * pre, 4)
      for (let k = 0; k < d_in; k++) expected[k]! += pre * trained.W_dec[i * d_in + k]!
    }
    for (let k = 0; k < d_in; k++) expect(recon[t * d_in + k]).toBeCloseTo(norm * expected[k]!, 4)
  }
  expect(entry).toBe(acts.value.length)
  expect(entry).toBeGreaterThan(3)
})
