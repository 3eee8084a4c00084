/** What commands print: progress on stderr, results on stdout. */

/** A cell of a printed table; numbers are aligned right and printed as given. */
export type Cell = string | number | undefined

/** `12.3 s`, `4 min 05 s`, `2 h 10 min`. */
export function renderDuration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

/** Columns padded to their widest cell; a column of numbers is right-aligned; absent cells show a dash. */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = rows.map((row) => row.map((cell) => (cell === undefined ? '–' : String(cell))))
  const right = head.map(
    (_, c) =>
      rows.some((row) => typeof row[c] === 'number') ||
      rows.every((row) => row[c] === undefined || /^[-+–\d.,%]+$/.test(String(row[c]))),
  )
  const width = head.map((title, c) =>
    Math.max(title.length, ...text.map((row) => (row[c] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (right[c] ? cell.padStart(width[c] ?? 0) : cell.padEnd(width[c] ?? 0)))
      .join('  ')
      .trimEnd()
  const rule = width.map((w) => '─'.repeat(w)).join('──')
  return [line(head), rule, ...text.map(line)].join('\n')
}

/** Something that shows how far long work has come. */
export interface Progress {
  /** @param share 0 to 1 */
  update(message: string, share?: number, remaining_ms?: number): void
  /** Removes the moving line, so that other output can follow. */
  clear(): void
}

/** On a terminal one line rewritten in place; elsewhere a plain line at most every ten seconds. */
export function openProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let printed_at = Number.NEGATIVE_INFINITY
  let last = ''
  const every_ms = stream.isTTY ? 100 : 10_000
  return {
    update(message, share, remaining_ms) {
      const stage = message.split(':')[0] ?? ''
      const now = performance.now()
      if (now - printed_at < every_ms && stage === last) return
      printed_at = now
      last = stage
      const done = share === undefined ? '' : `${String(Math.floor(share * 100)).padStart(3)} %  `
      const left = remaining_ms === undefined ? '' : `  (${renderDuration(remaining_ms)} left)`
      const line = `${done}${message}${left}`
      if (stream.isTTY) stream.write(`\r\x1b[2K${line.slice(0, (stream.columns ?? 80) - 1)}`)
      else stream.write(`${line}\n`)
    },
    clear() {
      if (stream.isTTY) stream.write('\r\x1b[2K')
    },
  }
}

/** Texts in columns of equal width, wrapped between words. */
export function renderSideBySide(
  texts: readonly string[],
  columns: number = process.stdout.columns ?? 100,
): string {
  const width = Math.max(20, Math.floor((columns - 3 * (texts.length - 1)) / texts.length))
  const wrapped = texts.map((text) => wrap(text.replaceAll(/\s+/g, ' '), width))
  const height = Math.max(...wrapped.map((lines) => lines.length))
  return Array.from({ length: height }, (_, row) =>
    wrapped
      .map((lines) => (lines[row] ?? '').padEnd(width))
      .join(' │ ')
      .trimEnd(),
  ).join('\n')
}

function wrap(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] ?? ''
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

/** `812 B`, `3.1 MiB`, `2.4 GiB`. */
export function renderBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 2 ** (10 * step)
  return `${value.toFixed(step === 0 || value >= 100 ? 0 : 1)} ${units[step]}`
}
