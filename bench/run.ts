/** `npm run bench -- NAME [arguments]`: runs one bench; without a name it lists them. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Name, file, what it times. */
const BENCHES = {
  'train-step': ['trainStep.ts', 'a training step, and the share of the encoder product in it'],
  cost: ['cost.ts', 'time and memory of a step as it grows'],
  'model-kernels': [
    'modelKernels.ts',
    'bytes of weights read per second with few tokens: [dtypes]',
  ],
  'sae-files': ['saeFiles.ts', 'published SAEs at their real size, opened: [million]'],
  'one-pass': ['onePass.ts', 'many SAEs in one pass against one after the other'],
  'api-latency': ['apiLatency.ts', 'API requests while a training runs: [seconds]'],
  page: ['page.ts', 'the page in Chromium: first view, the largest microscope, a long list'],
  search: ['search.ts', 'search over many labels: [labels] [location] [cold]'],
  meaning: ['meaning.ts', 'search by meaning over many labels: [labels] [location]'],
  quality: ['quality.ts', 'FVU at equal L0 beside a plain Gemma Scope: [d_sae batch_size n_steps]'],
  lexical: ['lexical.ts', 'lexical labels held against unseen text: SUITE [latents] [text files]'],
  model: [
    'model/run.ts',
    'a random Gemma 2 2B beside PyTorch and node-llama-cpp: [open|prefill|decode|streaming|quality]',
  ],
  frontier: ['frontier.ts', 'sparsity against fidelity of every architecture: --out DIR'],
} as const

const [name = '', ...args] = process.argv.slice(2)
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name as keyof typeof BENCHES] : undefined
if (bench === undefined) {
  if (name !== '') console.error(`bench: there is no "${name}". There are:`)
  for (const [key, [, what]] of Object.entries(BENCHES)) console.log(`${key.padEnd(14)}${what}`)
  process.exit(name === '' ? 0 : 2)
}
const run = spawnSync(process.execPath, [join(import.meta.dirname, bench[0]), ...args], {
  stdio: 'inherit',
})
process.exit(run.status ?? 1)
