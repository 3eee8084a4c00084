/** Whether changes are more than chance, for thousands of latents at once. */

/**
 * Two-sided sign test: how probable a split at least as uneven is, were each of `up + down` changes as likely up as down;
 * `p = min(1, 2 P(X <= min(up, down)))`, X binomial with n = up + down and 1/2. On tokens where exactly one of two models has
 * a latent on, this is McNemar's exact test of its density.
 * @returns 1 where nothing changed.
 */
export function signTest(up: number, down: number): number {
  const n = up + down
  const k = Math.min(up, down)
  // P(X = k) and then downwards, each term a factor below 1 smaller.
  let term = 1
  let sum = 1
  for (let i = k; i > 0 && term > 1e-17 * sum; i--) {
    term *= i / (n - i + 1)
    sum += term
  }
  const log_p = logChoose(n, k) - n * Math.LN2 + Math.log(2 * sum)
  return Math.min(1, Math.exp(log_p))
}

/**
 * Benjamini and Hochberg's q: the least share of false discoveries at which each test is still among the discoveries,
 * `q_(i) = min_{j >= i} p_(j) m / j` over the m tests in ascending order. Tests may depend on one another positively.
 * @returns q of each test, in the order given.
 * Source: J. R. Statist. Soc. B 57 (1995) 289.
 */
export function falseDiscoveryRates(p: readonly number[]): Float64Array {
  const order = p.map((_, i) => i).sort((i, j) => p[j]! - p[i]!)
  const q = new Float64Array(p.length)
  let least = 1
  for (const [rank, test] of order.entries()) {
    least = Math.min(least, (p[test]! * p.length) / (p.length - rank))
    q[test] = least
  }
  return q
}

/** ln of n over k. */
function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

/** ln n!: summed where short, else Stirling's series, to 1e-12 of itself. */
function logFactorial(n: number): number {
  if (n < 32) {
    let sum = 0
    for (let i = 2; i <= n; i++) sum += Math.log(i)
    return sum
  }
  const series = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5)
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + series
}
