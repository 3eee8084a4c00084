/** Steering and sweeps in the inference thread: the SAEs of a request opened, the units of its strengths found. */
import type { SteerEvent, SweepEvent } from '../api/index.ts'
import type { Model } from '../model/index.ts'
import { type Intervention, renderBandRule, steer, sweep } from '../steer/index.ts'
import type { SteerCall, SweepCall } from './inferenceProtocol.ts'
import type { Workbench } from './workbench.ts'

/** A sweep tells how far it is no more often than this. */
const PROGRESS_MS = 100

/** Texts of all sides, token by token. @throws RangeError or TypeError what is wrong with the request. */
export async function openSteering(
  bench: Workbench,
  { model: name, interventions, ...options }: SteerCall,
  signal: AbortSignal,
): Promise<AsyncGenerator<SteerEvent>> {
  const model = await bench.model(name)
  const opened = await openInterventions(bench, model, interventions)
  return steer(model, { ...options, interventions: opened, signal })
}

/** Points of a sweep as they are measured. @throws as `openSteering`. */
export async function openSweep(
  bench: Workbench,
  { model: name, interventions, strengths, ...options }: SweepCall,
  signal: AbortSignal,
): Promise<AsyncGenerator<SweepEvent>> {
  const model = await bench.model(name)
  const opened = await openInterventions(bench, model, interventions)
  return follow(
    sweep(model, {
      ...options,
      ...(strengths === undefined ? {} : { strengths }),
      interventions: opened,
      signal,
    }),
  )
}

async function* follow(events: ReturnType<typeof sweep>): AsyncGenerator<SweepEvent> {
  let told_ms = Number.NEGATIVE_INFINITY
  for await (const event of events) {
    if (event.type === 'progress') {
      if (performance.now() - told_ms < PROGRESS_MS) continue
      told_ms = performance.now()
    }
    yield event.type === 'done' ? { ...event, rule: renderBandRule() } : event
  }
}

async function openInterventions(
  bench: Workbench,
  model: Model,
  asked: SteerCall['interventions'],
): Promise<Intervention[]> {
  const interventions: Intervention[] = []
  for (const { dir, ...intervention } of asked) {
    const { latent, mode } = intervention
    const { runner, measured } = await bench.sae(dir, model)
    const { sae } = runner
    if (latent >= sae.d_sae)
      throw new RangeError(`latent ${latent}: ${sae.hook_name} has latents 0 to ${sae.d_sae - 1}`)
    const needs_max = mode === 'add' || mode === 'clamp'
    if (needs_max && !measured)
      throw new RangeError(
        `${sae.hook_name}: strength is in units of a latent's maximum, which is not measured yet. Index the suite first, or scale or ablate.`,
      )
    interventions.push({ ...intervention, sae, max_act: measured?.max_act[latent] ?? 0 })
  }
  return interventions
}
