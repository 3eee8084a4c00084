/** Numbers as they stand on the page: three significant digits, no exponent, a dash where there is none. */

/** What stands where a number could not be computed. */
export const none = '–'

/** Three significant digits: 0.0812, 1.23, 45.6, 1,234. */
export function short(x: number | undefined | null): string {
  if (x === undefined || x === null || !Number.isFinite(x)) return none
  const size = Math.abs(Number(x.toPrecision(3)))
  if (size === 0) return '0'
  if (size >= 1000) return Math.round(x).toLocaleString('en')
  if (size < 0.0001) return x.toPrecision(1)
  const digits = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(size))))
  return minus(x.toFixed(digits))
}

/** A fixed number of decimals, with a real minus sign. */
export function fixed(x: number | undefined | null, decimals: number): string {
  return x === undefined || x === null || !Number.isFinite(x) ? none : minus(x.toFixed(decimals))
}

/** A share as a percentage: 0.0123 is 1.2 %, 0.00012 is 0.012 %. */
export function percent(x: number | undefined | null): string {
  if (x === undefined || x === null || !Number.isFinite(x)) return none
  const p = x * 100
  if (p === 0) return '0 %'
  const digits = p >= 10 ? 0 : p >= 1 ? 1 : p >= 0.1 ? 2 : 3
  return `${p.toFixed(digits)} %`
}

/** A price: $12.50, $0.0031; what is less than a hundredth of a cent says so. */
export function dollars(x: number): string {
  if (x > 0 && x < 0.0001) return 'less than $0.0001'
  return `$${x.toFixed(x === 0 || x >= 1 ? 2 : 4)}`
}

/** A count with thousands separated. */
export function count(x: number | undefined): string {
  return x === undefined ? none : Math.round(x).toLocaleString('en')
}

/** How long is left: "about 2 min left", "seconds left". */
export function remaining(ms: number | undefined): string {
  if (ms === undefined) return ''
  if (ms < 10_000) return 'seconds left'
  if (ms < 90_000) return `about ${Math.round(ms / 10_000) * 10} s left`
  if (ms < 90 * 60_000) return `about ${Math.round(ms / 60_000)} min left`
  return `about ${(ms / 3_600_000).toFixed(1)} h left`
}

/** A span of time: 42 s, 3 min 05 s, 2 h 10 min. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`
}

/** A large count in few signs: 850, 12k, 1.5M. */
export function brief(x: number): string {
  const units = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const
  const [size, sign] = units.find(([unit]) => Math.abs(x) >= unit) ?? [1, '']
  return `${Number((x / size).toPrecision(3))}${sign}`
}

/** A difference, its sign always shown; what rounds to nothing is ±0. */
export function signed(x: number, format: (size: number) => string): string {
  const size = format(Math.abs(x))
  if (Number.parseFloat(size) === 0) return '±0'
  return `${x < 0 ? '−' : '+'}${size}`
}

/** A date as 22 Nov 2026, 10:40, in the reader's own time. */
export function date(iso: string): string {
  const d = new Date(iso)
  if (Number.isNaN(d.getTime())) return iso
  return d.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
}

const minus = (text: string) => text.replace('-', '−')
