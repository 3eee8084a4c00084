/** The oracle against central differences, and against what one computes by hand. */
import { describe, expect, it } from 'vitest'
import { latentRandom } from './initialise.ts'
import {
  auxShares,
  type OracleBatch,
  type OracleLoss,
  type OracleParameters,
  type OracleSae,
  oracleForward,
  oracleGradients,
  oracleStep,
  PARAMETERS,
  zerosLike,
} from './oracle.ts'

const [N, D_IN, D_SAE] = [3, 5, 7]

const KINDS = {
  sae: { transcoder: false, d_out: D_IN, skip: false },
  transcoder: { transcoder: true, d_out: 4, skip: false },
  'transcoder with skip': { transcoder: true, d_out: 4, skip: true },
} as const
type Kind = keyof typeof KINDS

const ARCHITECTURES = ['jumprelu', 'relu', 'gated', 'topk', 'batchtopk', 'matryoshka'] as const

/** Every term that an architecture has is on: dead latents are 1, 4 and 5. */
const LOSS: OracleLoss = {
  ...{ l0_target: 2, lambda: 0.5, sparsity: 'target', bandwidth: 0.1 },
  ...{ pre_act_weight: 0.3, frequency: { weight: 0.2, knee: 0.1 } },
  dead: [false, true, false, false, true, true, false],
  aux: {
    weight: 0.4,
    shares: auxShares(
      [4, 3].map((width, i) => ({ first: 4 * i, width })),
      4,
    ),
  },
  prefixes: [2, 5, D_SAE],
}

function randomSae(architecture: OracleSae['architecture'], kind: Kind, seed: number): OracleSae {
  const { transcoder, d_out, skip } = KINDS[kind]
  const random = latentRandom(seed, D_IN, D_SAE)
  const fill = (n: number, low: number, high: number) =>
    Float64Array.from({ length: n }, () => low + (high - low) * random())
  const gated = architecture === 'gated' ? D_SAE : 0
  const parameters: OracleParameters = {
    W_enc: fill(D_SAE * D_IN, -1, 1),
    W_dec: fill(D_SAE * d_out, -1, 1),
    b_enc: fill(D_SAE, -0.2, 0.2),
    b_dec: fill(d_out, -0.5, 0.5),
    threshold: fill(architecture === 'jumprelu' ? D_SAE : 0, 0.1, 0.4),
    r_mag: fill(gated, -0.3, 0.3),
    b_mag: fill(gated, -0.3, 0.3),
    W_skip: fill(skip ? D_IN * d_out : 0, -0.5, 0.5),
  }
  // The dead latent 4 stays silent: a price of silence must find someone.
  if (architecture === 'jumprelu') parameters.threshold[4] = 9
  const v = zerosLike(parameters)
  return { architecture, d_in: D_IN, d_out, d_sae: D_SAE, transcoder, parameters, v }
}

function randomBatch({ d_out, transcoder }: OracleSae): OracleBatch {
  const random = latentRandom(2, 0, 0)
  const fill = (n: number) => Float64Array.from({ length: n }, () => 2 * random() - 1)
  const x = fill(N * D_IN)
  return transcoder ? { x, y: fill(N * d_out) } : { x }
}

/** Least distance of any pre-activation to where the loss is not smooth: its threshold, zero, or a rival in a choice by rank. */
function distanceToKink(sae: OracleSae, batch: OracleBatch): number {
  const { pre, product } = oracleForward(sae, batch, LOSS)
  const { threshold, r_mag, b_mag } = sae.parameters
  const least = (values: ArrayLike<number>) => Math.min(...Array.from(values, Math.abs))
  switch (sae.architecture) {
    case 'jumprelu':
      return least(pre.map((z, j) => z - threshold[j % D_SAE]!))
    case 'relu':
      return least(pre)
    case 'gated': {
      const mag = product.map((z, j) => z * Math.exp(r_mag[j % D_SAE]!) + b_mag[j % D_SAE]!)
      return Math.min(least(pre), least(mag))
    }
    case 'topk':
    case 'batchtopk':
    case 'matryoshka': {
      const ranked = Float64Array.of(0, ...pre).sort()
      return least(ranked.subarray(1).map((z, j) => z - ranked[j]!))
    }
    default:
      return sae.architecture satisfies never
  }
}

describe.each(ARCHITECTURES)('the gradients of %s', (architecture) => {
  it.each(Object.keys(KINDS) as Kind[])('are what central differences give: %s', (kind) => {
    const sae = randomSae(architecture, kind, 1)
    const batch = randomBatch(sae)
    const { l0, aux, held } = oracleForward(sae, batch, LOSS)
    expect(l0).toBeGreaterThan(1)
    if (architecture !== 'relu') expect(aux).toBeGreaterThan(0)
    expect(distanceToKink(sae, batch)).toBeGreaterThan(1e-4)
    const copies = {
      residual: held.residual,
      decoder: {
        W_dec: held.decoder.W_dec.slice(),
        b_dec: held.decoder.b_dec.slice(),
        W_skip: held.decoder.W_skip.slice(),
      },
    }
    const gradients = oracleGradients(sae, batch, LOSS)
    const step = 1e-6
    for (const name of PARAMETERS) {
      // The threshold's is no derivative of this loss: it is computed by hand below.
      if (name === 'threshold') continue
      const values = sae.parameters[name]
      expect(gradients[name].length).toBe(values.length)
      for (let j = 0; j < values.length; j++) {
        const value = values[j]!
        values[j] = value + step
        const up = oracleForward(sae, batch, LOSS, copies).loss
        values[j] = value - step
        const down = oracleForward(sae, batch, LOSS, copies).loss
        values[j] = value
        expect(gradients[name][j], `${name}[${j}]`).toBeCloseTo((up - down) / (2 * step), 7)
      }
    }
  })
})

/** A dictionary whose pre-activations are its inputs: W_enc is the identity. W_dec [d_sae, d_out] as given. */
function transparent(
  architecture: OracleSae['architecture'],
  d_sae: number,
  W_dec: readonly number[],
  threshold: readonly number[] = [],
): OracleSae {
  const d_out = W_dec.length / d_sae
  const parameters: OracleParameters = {
    W_enc: Float64Array.from({ length: d_sae * d_sae }, (_, j) => (j % (d_sae + 1) === 0 ? 1 : 0)),
    W_dec: Float64Array.from(W_dec),
    b_enc: new Float64Array(d_sae),
    b_dec: new Float64Array(d_out),
    threshold: Float64Array.from(threshold),
    ...{ r_mag: new Float64Array(), b_mag: new Float64Array(), W_skip: new Float64Array() },
  }
  const v = zerosLike(parameters)
  return { architecture, d_in: d_sae, d_out, d_sae, transcoder: true, parameters, v }
}

/** No term but the reconstruction. */
const bare = (k: number): OracleLoss => ({
  ...{ l0_target: k, lambda: 0, sparsity: 'target', bandwidth: 0.4 },
})

describe('the pseudo-derivative of the threshold', () => {
  // One latent, threshold 0.9; tokens 1.0 (active, in the window), 0.85 (below, in the window), 2 (active, outside).
  const sae = transparent('jumprelu', 1, [1], [0.9])
  const x = Float64Array.of(1, 0.85, 2)
  // recon 1, 0, 2: residual 0, -0.85, 0; d mse / d act = 2 residual / 3 = 0, -1.7 / 3, 0; l0 = 2/3.
  const expected = (price: number) => -(price / 3) / 0.4 - ((0.9 * -1.7) / 3 + price / 3) / 0.4

  it('has the slope of the quadratic price: 0.6 (2/3 / 0.5 - 1) = 0.2', () => {
    const g = oracleGradients(sae, { x }, { ...bare(0.5), lambda: 0.6 })
    expect(g.threshold[0]).toBeCloseTo(expected(0.2), 12)
  })

  it('has the fixed price itself, whatever the target', () => {
    const g = oracleGradients(sae, { x }, { ...bare(0.5), lambda: 0.6, sparsity: 'fixed' })
    expect(g.threshold[0]).toBeCloseTo(expected(0.6), 12)
  })

  it('has the price of frequency: 0.3 (1 + 2 (2/3) / 0.1) = 4.3', () => {
    const loss: OracleLoss = { ...bare(0.5), frequency: { weight: 0.3, knee: 0.1 } }
    expect(oracleGradients(sae, { x }, loss).threshold[0]).toBeCloseTo(expected(4.3), 12)
    // 0.3 (2/3) (1 + (2/3) / 0.1)
    expect(oracleForward(sae, { x }, loss).sparsity).toBeCloseTo(0.2 * (1 + 20 / 3), 12)
  })

  it('is left alone by the price of silence, which raises the latents that are dead', () => {
    // relu(5 - x) = 4, 4.15, 3; out of every window.
    const dead = transparent('jumprelu', 1, [1], [5])
    const loss: OracleLoss = { ...bare(0.5), pre_act_weight: 0.6, dead: [true] }
    expect(oracleForward(dead, { x }, loss).aux).toBeCloseTo((0.6 * 11.15) / 3, 12)
    const g = oracleGradients(dead, { x }, loss)
    expect(g.threshold[0]).toBe(0)
    expect(g.b_enc[0]).toBeCloseTo(-0.6, 12)
    // The one that fires on the last token is no longer dead.
    expect(oracleForward(sae, { x }, loss).aux).toBe(0)
  })
})

describe('the choice of active latents', () => {
  const actsOf = (architecture: 'topk' | 'batchtopk', k: number, rows: readonly number[][]) => {
    const d = rows[0]!.length
    const sae = transparent(architecture, d, new Array(d).fill(1))
    const y = new Float64Array(rows.length)
    return [...oracleForward(sae, { x: Float64Array.from(rows.flat()), y }, bare(k)).acts]
  }

  it('takes the k largest of a token, keeps ties with the last, and never what is not positive', () => {
    expect(actsOf('topk', 2, [[3, 1, 2, 0.5]])).toEqual([3, 0, 2, 0])
    expect(actsOf('topk', 2, [[1, 3, 1, 1]])).toEqual([1, 3, 1, 1])
    expect(actsOf('topk', 3, [[-1, 4, 0, -2]])).toEqual([0, 4, 0, 0])
    expect(actsOf('topk', 9, [[1, 2, -3]])).toEqual([1, 2, 0])
  })

  it('takes the k n largest of a batch', () => {
    const rows = [
      [5, 4, 3],
      [1, 2, -1],
    ]
    // 2 tokens, k = 1.5: the three largest, all of one token; k = 2 takes one of the other too.
    expect(actsOf('batchtopk', 1.5, rows)).toEqual([5, 4, 3, 0, 0, 0])
    expect(actsOf('batchtopk', 2, rows)).toEqual([5, 4, 3, 0, 2, 0])
    expect(
      actsOf('batchtopk', 1, [
        [5, 2],
        [2, 2],
      ]),
    ).toEqual([5, 2, 2, 2])
  })
})

describe('matryoshka', () => {
  // Prefixes of 1 and 3 latents, one output, decoder 1, 2, -1; two tokens and k = 2, so the four largest of the batch:
  // token 0 has 4, 3, (1); token 1 has (0.5), 2, 5. Active are 4 and 3 in token 0, 2 and 5 in token 1.
  const sae = transparent('matryoshka', 3, [1, 2, -1])
  const batch = { x: Float64Array.of(4, 3, 1, 0.5, 2, 5), y: Float64Array.of(6, 2) }
  const loss = { ...bare(2), prefixes: [1, 3] }

  it('sums the errors of every prefix', () => {
    // First prefix: 4 and 0, errors -2 and -2. Second: 4 + 6 = 10 and 4 - 5 = -1, errors 4 and -3.
    const { acts, recons, mse, loss: total } = oracleForward(sae, batch, loss)
    expect([...acts]).toEqual([4, 3, 0, 0, 2, 5])
    expect(recons.map((r) => [...r])).toEqual([
      [4, 0],
      [10, -1],
    ])
    expect(mse).toBe((16 + 9) / 2)
    expect(total).toBe((4 + 4) / 2 + (16 + 9) / 2)
  })

  it('teaches a latent by every prefix that it is in', () => {
    // 2 error / n: first prefix -2, -2; second 4, -3; latent 0 is in both (2, -5), latents 1 and 2 in the second.
    const g = oracleGradients(sae, batch, loss)
    expect([...g.W_dec]).toEqual([4 * 2, 3 * 4 + 2 * -3, 5 * -3])
    expect([...g.b_dec]).toEqual([2 - 5])
    // Gradients of what is active, (2) 1 in token 0 for latent 0, (4, -3) 2 for latent 1, (-3)(-1) for latent 2.
    expect([...g.b_enc]).toEqual([2, 8 - 6, 3])
  })
})

describe('AuxK', () => {
  it('deals its latents to the shards by width', () => {
    const ranges = [0, 3, 6].map((first) => ({ first, width: first === 6 ? 4 : 3 }))
    expect(auxShares(ranges, 5).map(({ k }) => k)).toEqual([2, 2, 2])
    expect(auxShares(ranges, 10).map(({ k }) => k)).toEqual([3, 3, 4])
  })

  it('explains the residual by the largest dead latents of each shard', () => {
    // One token; latent 0 is active. Dead are 1, 2 (shard of 0 to 2) and 3, 4 (the other), one of each may be taken; 4 is negative.
    const sae = transparent('topk', 5, [1, 10, 2, 3, 4])
    const batch = { x: Float64Array.of(3, 0.5, 1, 0.25, -1), y: Float64Array.of(5) }
    const shares = [
      { first: 0, width: 3, k: 1 },
      { first: 3, width: 2, k: 1 },
    ]
    const loss: OracleLoss = {
      ...bare(1),
      aux: { weight: 0.5, shares },
      dead: [false, true, true, true, true],
    }
    // recon 3, residual 2; e_hat = 1 * 2 + 0.25 * 3 = 2.75; 0.5 * 0.75^2.
    const { aux, acts } = oracleForward(sae, batch, loss)
    expect([...acts]).toEqual([3, 0, 0, 0, 0])
    expect(aux).toBe(0.5 * 0.75 ** 2)
    // d / d e_hat = 0.75; of the reconstruction 2 (3 - 5) = -4.
    const g = oracleGradients(sae, batch, loss)
    expect([...g.W_dec]).toEqual([3 * -4, 0, 1 * 0.75, 0.25 * 0.75, 0])
    expect([...g.b_enc]).toEqual([-4, 0, 2 * 0.75, 3 * 0.75, 0])
    expect([...g.b_dec]).toEqual([-4])
  })

  it('is silent while every latent lives', () => {
    const sae = randomSae('topk', 'sae', 1)
    expect(oracleForward(sae, randomBatch(sae), { ...LOSS, dead: [] }).aux).toBe(0)
  })
})

describe('a step', () => {
  it('takes the gradient off the decoder rows and keeps them at unit norm', () => {
    const sae = randomSae('relu', 'transcoder', 3)
    const { d_out } = sae
    const { W_dec } = sae.parameters
    const options = { lr: 0.01, lr_threshold: 0.01, beta2: 0.999, adam_eps: 1e-8, t: 1 }
    oracleStep(sae, zerosLike(sae.parameters), options)
    const g = zerosLike(sae.parameters)
    // A gradient along the row alone must not move it.
    g.W_dec.set(W_dec.map((w) => 3 * w))
    const before = W_dec.slice()
    oracleStep(sae, g, { ...options, adam_eps: 1 })
    for (const [j, w] of W_dec.entries()) expect(w).toBeCloseTo(before[j]!, 12)
    for (let i = 0; i < D_SAE; i++)
      expect(Math.hypot(...W_dec.subarray(i * d_out, (i + 1) * d_out))).toBeCloseTo(1, 12)
  })

  it('moves every parameter by its learning rate, thresholds by their own, at the first gradient', () => {
    const sae = transparent('jumprelu', 2, [1, 0, 0, 1], [0.5, 2e-6])
    const g = zerosLike(sae.parameters)
    g.b_enc.set([4, -0.01])
    g.threshold.set([-3, 3])
    oracleStep(sae, g, { lr: 0.1, lr_threshold: 0.2, beta2: 0.999, adam_eps: 1e-12, t: 1 })
    // v = (1 - beta2) g^2, corrected by 1 - beta2: g / |g|. The second threshold stays positive.
    for (const [j, expected] of [-0.1, 0.1].entries())
      expect(sae.parameters.b_enc[j]).toBeCloseTo(expected, 9)
    expect(sae.parameters.threshold[0]).toBeCloseTo(0.7, 9)
    expect(sae.parameters.threshold[1]).toBe(1e-6)
  })
})
