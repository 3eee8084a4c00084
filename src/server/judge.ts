/** The language model behind the page that labels latents and tests labels: what is shown of it, and what may be ordered of it. */
import type { z } from 'zod'
import type { Judge, LabelScope } from '../api/index.ts'
import type { AskSettings } from '../jobs/index.ts'
import { urlOf } from '../label/index.ts'
import { hasEnded, listRuns } from '../store/index.ts'
import type { ServerContext } from './context.ts'
import { HttpProblem } from './problems.ts'

/** Orders that may wait at once. */
const MOST_WAITING = 20

/** Why nothing can be asked where no language model is set up. */
export const NO_JUDGE =
  'asks a language model, and this server knows none. Start it with --provider, or with OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_GENERATIVE_AI_API_KEY in its environment.'

/** What the page may know: never the key, which the environment keeps. */
export const judgeView = (judge: AskSettings): z.infer<typeof Judge> => ({
  model: judge.model,
  where: new URL(urlOf(judge)).host,
  ...(judge.max_cost === undefined ? {} : { max_cost: judge.max_cost }),
})

/** The suite's folder, and the latents that are meant. @throws HttpProblem 404 or 409 as `SuiteShelf`, 400 for an SAE of another suite. */
export async function scopeOf(
  { suites }: ServerContext,
  suite: string,
  { sae, index, n_latents }: z.output<typeof LabelScope>,
) {
  const { info } = await suites.named(suite)
  if (sae === undefined || index === undefined) return { out: info.folder, latents: n_latents }
  const found = await suites.indexed(sae)
  if (found.suite !== suite || index >= found.d_sae)
    throw new HttpProblem(400, `${suite} has no latent ${index} of ${sae}`)
  return { out: info.folder, latents: [{ sae, latent: index }] }
}

/** @throws HttpProblem 409 for more than a run may spend; 503 where too much waits. */
export async function admit({ db, judge }: ServerContext, cost: number): Promise<void> {
  const max_cost = judge?.max_cost
  // The cap would stop it anyway, but in the middle.
  if (max_cost !== undefined && cost > max_cost)
    throw new HttpProblem(
      409,
      `this would cost about $${cost.toFixed(2)}, and a run may spend $${max_cost.toFixed(2)}. Take fewer, or start the server with a higher --max-cost.`,
    )
  const waiting = (await listRuns(db)).filter(
    ({ kind, state }) => (kind === 'score' || kind === 'explain') && !hasEnded(state),
  )
  if (waiting.length >= MOST_WAITING)
    throw new HttpProblem(503, `${waiting.length} such orders are waiting; let them end first`)
}
