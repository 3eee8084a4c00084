/** The latents that two models use differently, most first. */
import { useState } from 'react'
import type { ModelComparison } from '../../../src/api/index.ts'
import { latentKey } from '../format/names.ts'
import { percent, short, signed } from '../format/numbers.ts'
import { siteNames } from '../state/comparison.ts'
import { EffectBar } from './CompareCellPanel.tsx'
import { LatentLink, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

const step = 20
const kinds = ['gained', 'lost', 'strengthened', 'weakened'] as const

/** The list, of all sites or one, of all kinds or one. Bars are relative to the largest effect. */
export function CompareShifts(props: { found: ModelComparison }) {
  const { found } = props
  const [site, setSite] = useState('')
  const [kind, setKind] = useState<string>('all')
  const [most, setMost] = useState(step)
  const chips = new Map(found.latents.map((chip) => [latentKey(chip.sae, chip.index), chip]))
  const all = found.sites
    .flatMap(({ sae, hook, latents }) => latents.map((latent) => ({ ...latent, sae, hook })))
    .sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect))
  const largest = Math.abs(all[0]?.effect ?? 1)
  const names = siteNames(found.sites)
  const latents = all.filter(
    (latent) => (site === '' || latent.sae === site) && (kind === 'all' || latent.kind === kind),
  )
  return (
    <section className="compare-latents" aria-label="Latents that differ">
      <header className="section-head">
        <h2>Latents that differ most</h2>
        <select aria-label="Site" value={site} onChange={(e) => setSite(e.target.value)}>
          <option value="">every site</option>
          {found.sites.map(({ sae }, i) => (
            <option key={sae} value={sae}>
              {names[i]}
            </option>
          ))}
        </select>
        <fieldset className="chips">
          <legend className="hidden">How they differ</legend>
          {['all', ...kinds].map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="shift-kind"
                checked={name === kind}
                onChange={() => setKind(name)}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      </header>
      <p className="hit-head quiet">
        <Term of="q">q</Term>
        <Term of="shift_effect">effect</Term>
      </p>
      {latents.length === 0 && (
        <p className="quiet">
          {all.length === 0
            ? 'None: no latent’s use differs by more than chance.'
            : 'None of these.'}
        </p>
      )}
      <ol className="hits">
        {latents.slice(0, most).map((latent) => (
          <li key={latentKey(latent.sae, latent.index)} className="hit">
            <LatentLink chip={chips.get(latentKey(latent.sae, latent.index)) ?? latent} />
            <span className="hit-why quiet">
              {latent.kind}, on {percent(latent.density_base)} → {percent(latent.density_tuned)} of
              tokens, q {latent.q < 1e-4 ? '< 0.0001' : short(latent.q)}
            </span>
            <span className="effect-value">
              <EffectBar effect={latent.effect / largest} />
              <span className="value">
                {signed(latent.effect, percent)} ± {percent(latent.effect_se)}
              </span>
            </span>
            <SteerLink sae={latent.sae} index={latent.index} />
          </li>
        ))}
      </ol>
      {latents.length > most && (
        <button type="button" onClick={() => setMost(most + step)}>
          More
        </button>
      )}
    </section>
  )
}
