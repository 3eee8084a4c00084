/** What the server's thread and the inference thread say to each other. Plain data only. */
import type { Microscope, TestResult } from '../api/index.ts'

/** Where a suite's model and SAEs lie, with the names they have in URLs. */
export type SuiteFolder = {
  readonly suite: string
  /** Bundled name or folder of the model. */
  readonly model: string
  readonly saes: readonly { readonly id: string; readonly hook: string; readonly dir: string }[]
}

/** What a model is, for the workspace view. */
export type ModelInfo = {
  readonly name: string
  readonly n_layers: number
  readonly d_model: number
  readonly d_vocab: number
  readonly n_ctx: number
  readonly n_params: number
}

/** One intervention with the folder of its SAE. */
type ResolvedIntervention = {
  readonly dir: string
  readonly latent: number
  readonly mode: 'add' | 'scale' | 'clamp' | 'ablate'
  readonly strength: number
}

/** Requests by kind, and what each answers: once, or as a stream. */
export type InferenceCalls = {
  describe: { request: { model: string }; answer: ModelInfo }
  microscope: {
    request: { suite: SuiteFolder; text: string; top_k: number; max_density: number }
    /** Latents without labels: the server's thread adds them. */
    answer: Microscope
  }
  test: {
    request: { model: string; dir: string; latent: number; text: string }
    answer: TestResult
  }
}

export type SteerCall = {
  readonly model: string
  readonly prompt: string
  readonly interventions: readonly ResolvedIntervention[]
  readonly max_tokens: number
  readonly temperature: number
  readonly top_k: number
  readonly top_p: number
  readonly seed: number
}

export type CallKind = keyof InferenceCalls

/** To the inference thread. */
export type ToInference =
  | {
      [K in CallKind]: { type: 'call'; id: number; kind: K; request: InferenceCalls[K]['request'] }
    }[CallKind]
  | { type: 'call'; id: number; kind: 'steer'; request: SteerCall }
  | { type: 'cancel'; id: number }
  | { type: 'close' }

/** From it. `status` is the HTTP status an error is answered with. */
export type FromInference =
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'item'; id: number; item: unknown }
  | { type: 'error'; id: number; error: string; status: 400 | 404 | 409 | 500 }
