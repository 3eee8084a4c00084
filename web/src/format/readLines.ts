/** Files of JSON lines that are given to the page, packed or not. */
import { chunksOf } from '../../../src/api/sse.ts'

/**
 * The text of a file; one whose name ends in .gz is unpacked.
 * @param most_bytes of the text, unpacked: a small file may unpack to a very large one.
 * @throws RangeError where it is longer; TypeError where it is not packed as its name says, or not UTF-8.
 */
export async function readLines(file: File, most_bytes: number): Promise<string> {
  const isPacked = file.name.endsWith('.gz')
  const bytes = isPacked
    ? file.stream().pipeThrough(new DecompressionStream('gzip'))
    : file.stream()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let n_bytes = 0
  try {
    for await (const chunk of chunksOf(bytes)) {
      n_bytes += chunk.length
      if (n_bytes > most_bytes)
        throw new RangeError(
          `${file.name} holds more than ${most_bytes / 2 ** 20} MiB of text. Import it by the command line: hooke labels import SUITE FILE.`,
        )
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch (cause) {
    if (cause instanceof RangeError) throw cause
    const expected = isPacked ? 'packed by gzip, and UTF-8 inside' : 'UTF-8 text'
    throw new TypeError(`${file.name} cannot be read as ${expected}, a JSON object a line.`, {
      cause,
    })
  }
}
