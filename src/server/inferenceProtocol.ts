/** What the server's thread and the inference thread say to each other. Plain data only. */
import type { z } from '@hono/zod-openapi'
import type {
  CellRank,
  CompareModelsEvent,
  CompareModelsRequest,
  ContrastRequest,
  ContrastSearch,
  Depth,
  EffectHistogram,
  Intervention,
  Microscope,
  PromptComparison,
  SteerEvent,
  SteerRequest,
  SweepEvent,
  SweepRequest,
  TestResult,
  TextSearch,
  TextSearchRequest,
  VectorSearch,
} from '../api/index.ts'
import type { ExampleRunFound, Passage } from './latentExamples.ts'

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
  /** It has a chat template. */
  readonly chat?: true
}

/** One intervention with the folder of its SAE. */
type ResolvedIntervention = Omit<Intervention, 'sae'> & { readonly dir: string }

/** What is searched for in the SAEs of a suite, and how many hits are wanted. */
type ToSearch<T> = T & { readonly suite: SuiteFolder; readonly most: number }

/** Requests by kind, and what each answers: once, or as a stream. */
export type InferenceCalls = {
  describe: { request: { model: string }; answer: ModelInfo }
  microscope: {
    request: {
      suite: SuiteFolder
      text: string
      top_k: number
      max_density: number
      rank?: CellRank
      special?: boolean
    }
    /** Latents without labels: the server's thread adds them. */
    answer: Microscope
  }
  depth: { request: { model: string; text: string; token: number }; answer: Depth }
  effects: { request: { model: string; dir: string; latent: number }; answer: EffectHistogram }
  examples: {
    request: { model: string; dir: string; latent: number; passages: readonly Passage[] }
    answer: ExampleRunFound
  }
  comparePrompts: {
    request: { suite: SuiteFolder; a: string; b: string; max_density: number }
    /** Latents without labels, as in the microscope. */
    answer: PromptComparison
  }
  test: {
    request: { model: string; dir: string; latent: number; text: string }
    answer: TestResult
  }
  textSearch: {
    request: ToSearch<
      Pick<z.output<typeof TextSearchRequest>, 'text' | 'tokens' | 'by' | 'scale' | 'max_density'>
    >
    answer: Omit<TextSearch, 'took_ms'>
  }
  vectorSearch: {
    request: ToSearch<{
      vector?: readonly number[]
      like?: { id: string; hook: string; dir: string; index: number }
    }>
    answer: Omit<VectorSearch, 'took_ms'>
  }
  contrastSearch: {
    request: ToSearch<Pick<z.output<typeof ContrastRequest>, 'a' | 'b' | 'scale' | 'max_density'>>
    answer: Omit<ContrastSearch, 'took_ms'>
  }
}

/** A request as it was asked, of a suite's model and with the folders of its SAEs. */
type Resolved<T> = Omit<T, 'interventions'> & {
  readonly model: string
  readonly interventions: readonly ResolvedIntervention[]
}

export type SteerCall = Resolved<z.output<typeof SteerRequest>>
export type SweepCall = Resolved<z.output<typeof SweepRequest>>

/** Requests answered by a stream, and what it consists of. */
export type InferenceStreams = {
  steer: { request: SteerCall; item: SteerEvent }
  sweep: { request: SweepCall; item: SweepEvent }
  compareModels: {
    request: Omit<z.output<typeof CompareModelsRequest>, 'suite'> & {
      readonly suite: SuiteFolder
      /** What to compare on where there is no `text`. */
      readonly data?: { readonly names: readonly string[]; readonly text_column?: string }
    }
    item: CompareModelsEvent
  }
}

export type CallKind = keyof InferenceCalls
export type StreamKind = keyof InferenceStreams

/** To the inference thread. */
export type ToInference =
  | {
      [K in CallKind]: { type: 'call'; id: number; kind: K; request: InferenceCalls[K]['request'] }
    }[CallKind]
  | {
      [K in StreamKind]: {
        type: 'call'
        id: number
        kind: K
        request: InferenceStreams[K]['request']
      }
    }[StreamKind]
  | { type: 'cancel'; id: number }
  | { type: 'close' }

/** From it. `status` is the HTTP status an error is answered with. */
export type FromInference =
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'item'; id: number; item: unknown }
  | { type: 'error'; id: number; error: string; status: 400 | 404 | 409 | 500 }
