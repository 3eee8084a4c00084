/**
 * The peaks of one latent in one document: where examples are centred.
 *
 * Active tokens are taken from the strongest down (the earlier of equals first); one is left out if it lies so near to one
 * already taken that their windows would overlap.
 */

/**
 * Positions of peaks, strongest first.
 * @param pos [n] positions of active tokens, ascending. @param value [n] their activations.
 * @param reach two peaks are at least `reach + 1` tokens apart; 2 * context keeps windows of +-context apart.
 * @param n how many of `pos` and `value` are in use.
 * @param peaks receives indices into `pos`. @returns how many.
 */
export function findPeaks(
  pos: Int32Array,
  value: Float32Array,
  n: number,
  reach: number,
  peaks: Int32Array,
): number {
  if (n === 1) {
    peaks[0] = 0
    return 1
  }
  let n_peaks = 0
  while (true) {
    let best = -1
    for (let i = 0; i < n; i++) {
      if ((best < 0 || value[i]! > value[best]!) && isFree(pos[i]!, pos, peaks, n_peaks, reach)) {
        best = i
      }
    }
    if (best < 0) return n_peaks
    peaks[n_peaks++] = best
  }
}

function isFree(
  at: number,
  pos: Int32Array,
  peaks: Int32Array,
  n_peaks: number,
  reach: number,
): boolean {
  for (let p = 0; p < n_peaks; p++) if (Math.abs(at - pos[peaks[p]!]!) <= reach) return false
  return true
}
