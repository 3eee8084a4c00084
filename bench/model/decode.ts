/**
 * Part `decode`: tokens a second that Hooke generates at 8 bits, plain and steered, beside node-llama-cpp at Q8_0 on the same weights,
 * with how far both say the same.
 */
import { dirname } from 'node:path'
import { Contestant, type Time, withContestant } from './contestant.ts'
import { ensureGguf } from './gguf.ts'
import { ensureLlama } from './installLlama.ts'
import type { LlamaRequest } from './llama.ts'
import { type Row, ratiosOf, tokensPerSecond, warnIfBusy } from './report.ts'
import { Hooke, randomIds, type Setup } from './setup.ts'

const PROMPT_TOKENS = 128
const NEW_TOKENS = 64
/** Logits that are compared after every token of the prompt. */
const N_PROBES = 16
const PART = 'decode'

type Text = Time & { readonly ids: readonly number[]; readonly prompt_ms: number }
type Logits = { readonly top: readonly number[]; readonly probed: readonly number[] }

export async function benchDecode(setup: Setup): Promise<Row[]> {
  const { shape, rounds } = setup
  const ids = randomIds(shape, 1, PROMPT_TOKENS)[0]!
  const probes = randomIds(shape, 1, N_PROBES + 1)[0]!.slice(1)
  const installed = await ensureLlama(dirname(setup.folder))
  const gguf = installed === undefined ? '' : await ensureGguf(setup.folder, shape)
  const [plain, steered, llama]: [Text[], Text[], Text[]] = [[], [], []]
  let ours: Logits | undefined
  let theirs: Logits | undefined
  for (let round = 0; round < rounds; round++) {
    warnIfBusy()
    await Hooke.with(setup, { weights: 'q8' }, async (hooke) => {
      ours ??= await hooke.ask<Logits>({ do: 'logits', ids: [ids], probes })
      const decode = (isSteered: boolean, max_tokens = NEW_TOKENS) =>
        hooke.ask<Text>({ do: 'decode', ids, max_tokens, steered: isSteered })
      await decode(false, 4)
      plain.push(await decode(false))
      steered.push(await decode(true))
    })
    if (installed === undefined) continue
    await withLlama(setup, installed, gguf, async (ask) => {
      theirs ??= await ask<Logits>({ do: 'logits', ids, probes })
      await ask<Text>({ do: 'decode', ids, max_tokens: 4 })
      llama.push(await ask<Text>({ do: 'decode', ids, max_tokens: NEW_TOKENS }))
    })
  }
  // The first token comes with the prompt.
  const speed = (texts: readonly Text[]) => tokensPerSecond(NEW_TOKENS - 1, texts)
  const rows: Row[] = [
    { part: PART, what: 'Hooke, 8 bits', value: speed(plain) },
    {
      ...{ part: PART, what: 'steered; plain time / its time', value: speed(steered) },
      ...{ ...ratiosOf(plain, steered), asked: { at_least: 0.95 } },
    },
  ]
  if (theirs === undefined) return rows
  const row = {
    ...{ part: PART, what: 'node-llama-cpp, Q8_0; its time / ours', value: speed(llama) },
    ...{ ...ratiosOf(llama, plain), asked: { at_least: 0.9 } },
  }
  return [...rows, row, ...agreement(ours!, theirs, plain[0]!.ids, llama[0]!.ids)]
}

async function withLlama(
  { threads }: Setup,
  installed: string,
  model: string,
  use: (ask: <Answer>(request: LlamaRequest) => Promise<Answer>) => Promise<void>,
): Promise<void> {
  const llama = new Contestant('node-llama-cpp', 'llama.ts', threads)
  await withContestant(llama, async () => {
    const ask = <Answer>(request: LlamaRequest) => llama.ask<Answer>(request)
    const n_ctx = PROMPT_TOKENS + NEW_TOKENS
    await ask({ do: 'open', installed, model, threads, n_ctx })
    await use(ask)
  })
}

/** Both quantise in ways of their own, so they agree nearly, not exactly. */
function agreement(
  ours: Logits,
  theirs: Logits,
  text: readonly number[],
  other: readonly number[],
): Row[] {
  const same = ours.top.filter((id, i) => id === theirs.top[i]).length
  const first = text.findIndex((id, i) => id !== other[i])
  const rms = (values: readonly number[]) =>
    Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)
  const differences = ours.probed.map((value, i) => value - theirs.probed[i]!)
  return [
    {
      part: PART,
      what: 'same likeliest token after each of the prompt',
      value: `${same} of ${ours.top.length}`,
    },
    {
      part: PART,
      what: `logits, ours and node-llama-cpp's, rms difference / rms`,
      value: `${differences.length} logits`,
      ratios: [rms(differences) / rms(ours.probed)],
    },
    {
      part: PART,
      what: 'same greedy tokens before the first that differs',
      value: `${first < 0 ? text.length : first} of ${text.length}, ${new Set(text).size} kinds`,
    },
  ]
}
