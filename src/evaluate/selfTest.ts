/**
 * The self-test of SAEs against a model: is this the SAE that its release describes, read at the right site and scale?
 *
 * 1. The built-in text runs through the model once as it is: activations, and the model's own losses.
 * 2. Each SAE encodes the site it reads: L0, FVU; its reconstruction takes the place of the site it writes, BOS left alone:
 *    delta loss. An SAE whose L0 is beyond hope after a batch is not measured further.
 * 3. The numbers are compared with the release's claims: a badge (`selfTestBadge.ts`).
 * 4. Where they are off, other sites, scales, biases and beginnings of text are tried on activations of the same text, and those
 *    that fit are named (`selfTestCauses.ts`).
 */

import { takeRows } from '../activations/index.ts'
import {
  type HookActs,
  type HookName,
  isReadOnly,
  type MlpNorm,
  type Model,
} from '../model/index.ts'
import { checkFits, openRunner, outputSite, type Sae, type SaeRunner } from '../sae/index.ts'
import { addLosses, type LossSum, lossSum, meanLoss } from './ceLoss.ts'
import { countActive } from './density.ts'
import { addToFvu, type FvuSums, fvu, fvuSums } from './fvu.ts'
import { l0 } from './l0.ts'
import { type Badge, badgeOf, type Claims, type Measured } from './selfTestBadge.ts'
import { type Cause, findCauses, siteThatFits } from './selfTestCauses.ts'
import { batchDocuments, type TestBatch, testDocuments } from './selfTestDocuments.ts'
import { SELF_TEST_TEXT } from './selfTestText.ts'
import { spliceEdit, streamBefore } from './splice.ts'
import { targetsAmong } from './targets.ts'

/** An SAE, and what its release says of it. */
export type SelfTestSubject = {
  readonly sae: Sae
  readonly claims: Claims
  /** Where the claims stand, for people: `the folder's name`, `metrics.json`. */
  readonly claims_from?: string
}

export type SelfTestOptions = {
  /** Text to measure on; the built-in one unless given. */
  readonly texts?: readonly string[]
  /** Tokens that count, at most; 4,096 unless given. */
  readonly max_tokens?: number
  /**
   * Tokens of a forward pass, padding included; 1,024 unless given, which a laptop has room for beside a model of 2B, and all at
   * once where blocks are read anew at every pass.
   */
  readonly batch_tokens?: number
  /** Threads of the SAEs' products; all cores unless given. */
  readonly threads?: number
  /** The norm before a block's MLP; without it that cause is not tried. */
  readonly mlpNorm?: (layer: number) => Promise<Pick<MlpNorm, 'gain' | 'bias'>>
  readonly signal?: AbortSignal
  /** Tokens, counted once for the plain pass and once for each SAE. */
  readonly onProgress?: (progress: { n_done: number; n_total: number }) => void
}

/** What a self-test found; as JSON beside the SAE it is self_test.json. */
export type SelfTestResult = {
  readonly badge: Badge
  readonly hook_name: HookName
  /** Present for a transcoder. */
  readonly hook_name_out?: HookName
  readonly l0: number
  readonly claimed_l0?: number
  readonly fvu?: number
  readonly claimed_fvu?: number
  /** The model's own loss on the text in nats. */
  readonly ce_loss?: number
  readonly delta_ce_loss?: number
  readonly claimed_delta_ce_loss?: number
  readonly claims_from?: string
  readonly n_tokens: number
  /** Special tokens (BOS) left out. */
  readonly n_excluded: number
  /** What would make L0 and FVU fit, best first; empty where nothing is off or nothing helps. */
  readonly causes: readonly Cause[]
  /** What a reader should know besides, in sentences. */
  readonly notes: readonly string[]
  /** Why a number above is absent, by its name. */
  readonly absent: Readonly<Record<string, string>>
  readonly model: string
  readonly model_hash: string
  /** How the model's weights lay in memory: `f32`, `bf16`, `q8` or `q4`. */
  readonly model_weights: string
}

const MAX_TOKENS = 4096
const BATCH_TOKENS = 1024
/** An L0 this many times its claim and above this many latents is beyond hope: decoding it all would take minutes. */
const HOPELESS = { ratio: 10, l0: 500 } as const
/** Natural text costs a language model 2 to 4 nats a token; above this it is not a text for this model. */
const FOREIGN_NATS = 5

type Sums = {
  readonly runner: SaeRunner
  readonly subject: SelfTestSubject
  n_tokens: number
  n_excluded: number
  isHopeless: boolean
  /** [d_sae] */
  readonly n_active: Uint32Array
  fvu: FvuSums | undefined
  readonly plain: LossSum
  readonly spliced: LossSum
}

/**
 * Tests SAEs against the model they are to be used with. All of them are in memory together.
 * @returns one result a subject, in their order.
 * @throws TypeError or RangeError if an SAE does not fit the model (`checkFits`), TypeError if the model has no tokenizer.
 */
export async function selfTest(
  model: Model,
  subjects: readonly SelfTestSubject[],
  options: SelfTestOptions = {},
): Promise<SelfTestResult[]> {
  const { texts = SELF_TEST_TEXT, max_tokens = MAX_TOKENS } = options
  // A model that is read anew for every pass does as few as it can.
  const { batch_tokens = model.memory.isStreamed ? max_tokens : BATCH_TOKENS } = options
  const { signal, onProgress } = options
  for (const { sae } of subjects) checkFits(sae, model)
  const test = testDocuments(model, texts, max_tokens)
  const n_total = test.n_tokens * (1 + subjects.length)
  let n_done = 0
  const passed = (n: number) => {
    n_done += n
    onProgress?.({ n_done, n_total })
  }
  const runners: SaeRunner[] = []
  try {
    for (const { sae } of subjects) runners.push(await openRunner(sae, threadsOf(options)))
    const all = subjects.map((subject, i) => sumsOf(subject, runners[i]!))
    for (const batch of batchDocuments(model, test.documents, batch_tokens)) {
      signal?.throwIfAborted()
      await measureBatch(model, batch, all, passed, signal)
    }
    const results: SelfTestResult[] = []
    for (const sums of all) {
      signal?.throwIfAborted()
      results.push(await judge(model, sums, test.documents, options))
    }
    return results
  } finally {
    for (const runner of runners) await runner.close()
  }
}

const threadsOf = ({ threads }: SelfTestOptions) => (threads === undefined ? {} : { threads })

const sumsOf = (subject: SelfTestSubject, runner: SaeRunner): Sums => ({
  runner,
  subject,
  n_tokens: 0,
  n_excluded: 0,
  isHopeless: false,
  n_active: new Uint32Array(subject.sae.d_sae),
  fvu: undefined,
  plain: lossSum(),
  spliced: lossSum(),
})

/** Steps 1 and 2 for one batch. */
async function measureBatch(
  model: Model,
  { batch, at, special_at }: TestBatch,
  all: readonly Sums[],
  passed: (n: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const measured = all.filter((sums) => !sums.isHopeless)
  if (measured.length === 0 || at.length === 0) return
  const sites = measured.flatMap(({ subject: { sae } }): HookName[] => {
    const { hook } = outputSite(sae)
    const stream = isReadOnly(hook) ? undefined : streamBefore(hook)
    return [sae.hook_name, hook, ...(stream === undefined ? [] : [stream])]
  })
  const abort = signal === undefined ? {} : { signal }
  const plain = await model.forward(batch, { hooks: [...new Set(sites)], loss: true, ...abort })
  passed(at.length)
  const targets = targetsAmong(batch, at).from
  const lossesOf = (losses: Float32Array): Float32Array =>
    Float32Array.from(targets, (from) => losses[from - Math.floor(from / batch.seq_len)]!)
  for (const sums of measured) {
    const { sae } = sums.subject
    const { hook, d } = outputSite(sae)
    const rows = (site: HookName) => takeRows(plain.acts.get(site) as HookActs, at)
    const x = rows(sae.hook_name)
    const y = hook === sae.hook_name ? x : rows(hook)
    const acts = await sums.runner.encode(x)
    const recon = await sums.runner.decode(acts, x)
    countActive(acts, sums.n_active)
    sums.fvu ??= fvuSums(y.slice(0, d))
    addToFvu(sums.fvu, y, recon)
    sums.n_tokens += at.length
    sums.n_excluded += special_at.length
    sums.isHopeless = isHopeless(sums)
    if (isReadOnly(hook)) continue
    const stream = streamBefore(hook)
    const spliced = await model.forward(batch, {
      hooks: [],
      loss: true,
      edits: [spliceEdit(hook, at, recon)],
      ...(stream === undefined ? {} : { from: plain.acts.get(stream) as HookActs }),
      ...abort,
    })
    addLosses(sums.plain, lossesOf(plain.next_token_loss!))
    addLosses(sums.spliced, lossesOf(spliced.next_token_loss!))
    passed(at.length)
  }
}

function isHopeless({ n_active, n_tokens, subject: { claims } }: Sums): boolean {
  const found = l0(n_active, n_tokens)
  return claims.l0 !== undefined && found > HOPELESS.ratio * claims.l0 && found > HOPELESS.l0
}

/** Steps 3 and 4. */
async function judge(
  model: Model,
  sums: Sums,
  documents: readonly Int32Array[],
  options: SelfTestOptions,
): Promise<SelfTestResult> {
  const { runner, subject, n_tokens, n_excluded } = sums
  const { sae, claims, claims_from } = subject
  const { measured, ce_loss, absent } = measuredOf(sums)
  const found = badgeOf(measured, claims)
  const notes = [...notesOf(sums, ce_loss)]
  const trial = { model, runner, claims, documents, options }
  let badge = found
  let causes: readonly Cause[] = []
  if (found === 'green') {
    const other = await siteThatFits(trial)
    if (other !== undefined) {
      badge = 'amber'
      causes = [other]
    }
  } else {
    const search = await findCauses(trial)
    causes = search.causes
    notes.push(...search.notes)
  }
  return {
    badge,
    hook_name: sae.hook_name,
    ...(sae.transcoder === undefined ? {} : { hook_name_out: sae.transcoder.hook_name_out }),
    l0: measured.l0,
    ...(claims.l0 === undefined ? {} : { claimed_l0: claims.l0 }),
    ...(measured.fvu === undefined ? {} : { fvu: measured.fvu }),
    ...(claims.fvu === undefined ? {} : { claimed_fvu: claims.fvu }),
    ...(ce_loss === undefined ? {} : { ce_loss }),
    ...(measured.delta_ce_loss === undefined ? {} : { delta_ce_loss: measured.delta_ce_loss }),
    ...(claims.delta_ce_loss === undefined ? {} : { claimed_delta_ce_loss: claims.delta_ce_loss }),
    ...(claims_from === undefined ? {} : { claims_from }),
    n_tokens,
    n_excluded,
    causes,
    notes,
    absent,
    model: model.name,
    model_hash: model.hash,
    model_weights: model.memory.weights,
  }
}

function measuredOf(sums: Sums): {
  measured: Measured
  ce_loss: number | undefined
  absent: Record<string, string>
} {
  const { subject, n_active, n_tokens } = sums
  const { hook } = outputSite(subject.sae)
  const share = sums.fvu === undefined ? undefined : finite(fvu(sums.fvu))
  const ce_loss = finite(meanLoss(sums.plain))
  const spliced = finite(meanLoss(sums.spliced))
  const delta = ce_loss === undefined || spliced === undefined ? undefined : spliced - ce_loss
  const no_loss = isReadOnly(hook)
    ? `the pass does not go on from ${hook}, so nothing can be put in its place`
    : ce_loss === undefined
      ? 'no counted token has a token before it to be predicted from'
      : 'the loss with the reconstruction in place is beyond what numbers hold'
  return {
    measured: {
      l0: l0(n_active, n_tokens),
      ...(share === undefined ? {} : { fvu: share }),
      ...(delta === undefined ? {} : { delta_ce_loss: delta }),
    },
    ce_loss,
    absent: {
      ...(share === undefined
        ? {
            fvu: `the activations are the same on all ${n_tokens} tokens, or reconstructions beyond what numbers hold`,
          }
        : {}),
      ...(ce_loss === undefined ? { ce_loss: no_loss } : {}),
      ...(delta === undefined ? { delta_ce_loss: no_loss } : {}),
    },
  }
}

const finite = (value: number | undefined): number | undefined =>
  Number.isFinite(value) ? value : undefined

function* notesOf({ subject, isHopeless, n_tokens }: Sums, ce_loss: number | undefined) {
  const { sae, claims } = subject
  if (claims.l0 === undefined)
    yield 'The release claims no L0, so only FVU and delta loss are judged.'
  if (isHopeless) {
    yield `L0 is more than ${HOPELESS.ratio} times the claim: measuring stopped after ${n_tokens} tokens.`
  }
  if (sae.metadata.prepend_bos === false) {
    yield 'Its cfg.json says that it was trained on text without BOS in front (prepend_bos false); here BOS is in front.'
  }
  if (ce_loss !== undefined && ce_loss > FOREIGN_NATS) {
    yield `The model itself predicts the built-in text badly (${ce_loss.toFixed(2)} nats a token): L0 and FVU on such text may be off by themselves.`
  }
}
