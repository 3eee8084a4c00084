/** A training that was asked to stop: its work is in the checkpoint. */
export class TrainingStopped extends Error {
  /** Where the checkpoint lies. */
  readonly checkpoint: string
  /** Steps taken. */
  readonly step: number

  constructor(checkpoint: string, step: number, n_steps: number) {
    super(
      `training stopped after step ${step} of ${n_steps}; the same command goes on from ${checkpoint}`,
    )
    this.name = 'AbortError'
    this.checkpoint = checkpoint
    this.step = step
  }
}
