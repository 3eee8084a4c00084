/** PyTorch beside our own step: starts bench/trainStep.py where python3 has torch, and asks it for steps. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StepInput } from '../src/train/engine.ts'

const PYTHONS = ['python3', '/usr/bin/python3']
export const INSTALL =
  'no python3 here has PyTorch; on Debian: apt-get install python3-torch libopenblas0-pthread'

/** A Python that has PyTorch; undefined where there is none (`INSTALL` says what to do). */
export function pythonWithTorch(): string | undefined {
  return PYTHONS.find((name) => spawnSync(name, ['-c', 'import torch']).status === 0)
}

/** What the step of trainStep.py starts from; W_enc and W_dec [d_sae, d_in], x [batch_size, d_in]. */
export type TorchSetup = {
  readonly arrays: Readonly<
    Record<'x' | 'W_enc' | 'W_dec' | 'b_enc' | 'b_dec' | 'threshold', Float32Array>
  >
  readonly d_in: number
  readonly d_sae: number
  readonly batch_size: number
  readonly bandwidth: number
  readonly l0: number
  readonly adam_eps: number
}

/** The step as the formulas stand, with the allocator's defaults; or as fast as we could make it, on a heap that keeps its pages. */
export const TORCH_KINDS = ['written', 'tuned'] as const
export type TorchKind = (typeof TORCH_KINDS)[number]

/** Mean wall time of the steps, and each step's loss terms before its update. */
export type TorchSteps = { readonly ms: number; readonly mse: number[]; readonly l0: number[] }

export class TorchStep {
  /** Versions and threads. */
  about = ''
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(python: string, kind: TorchKind) {
    const threads = String(availableParallelism())
    this.#child = spawn(python, [join(import.meta.dirname, 'trainStep.py')], {
      env: {
        ...process.env,
        OMP_NUM_THREADS: threads,
        OPENBLAS_NUM_THREADS: threads,
        MKL_NUM_THREADS: threads,
        // Large tensors stay on the heap: mapped and given back at every use, their page faults cost up to a third of a step.
        ...(kind === 'tuned' && {
          MALLOC_MMAP_MAX_: '0',
          MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
        }),
      },
    })
    this.#child.stderr.pipe(process.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Starts PyTorch with these weights and this batch; undefined where there is none (`INSTALL` says what to do). */
  static async start(
    kind: TorchKind,
    { arrays, ...setup }: TorchSetup,
  ): Promise<TorchStep | undefined> {
    const python = pythonWithTorch()
    if (python === undefined) return undefined
    const torch = new TorchStep(python, kind)
    const folder = mkdtempSync(join(tmpdir(), 'train-step-'))
    try {
      for (const [name, { buffer, byteOffset, byteLength }] of Object.entries(arrays))
        writeFileSync(join(folder, name), new Uint8Array(buffer, byteOffset, byteLength))
      const about = await torch.#ask({ kind, setup: { ...setup, folder } })
      torch.about = `PyTorch ${about.torch} with ${about.blas}, ${about.threads} threads`
    } finally {
      rmSync(folder, { recursive: true })
    }
    return torch
  }

  async steps(n_steps: number, input: StepInput): Promise<TorchSteps> {
    return (await this.#ask({ steps: n_steps, ...input })) as TorchSteps
  }

  async close(): Promise<void> {
    this.#child.stdin.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }

  async #ask(request: unknown): Promise<Record<string, unknown>> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('train-step: PyTorch ended without an answer; its message is above')
    return JSON.parse(value) as Record<string, unknown>
  }
}
