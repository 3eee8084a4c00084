/** The journal of calls on disk: JSON lines beside a suite. The only file of this folder that touches files. */
import { createReadStream } from 'node:fs'
import { open, stat, truncate } from 'node:fs/promises'
import { appendText, pathExists } from '../files/index.ts'
import { answerOf, type Journal, JournalLine } from './ask/journal.ts'
import type { Usage } from './ask/question.ts'

/** The file in a suite's folder. */
export const CALLS_FILE = 'calls.jsonl'

/** Bytes of a file. */
type Place = { readonly at: number; readonly length: number }

/**
 * Opens a journal; the file is made by the first call. A last line that a kill has cut is taken away; a line in the middle that
 * cannot be read is passed over, and its call asked again. Memory holds where each answer lies, not what it says.
 * @throws FileError where the file cannot be written.
 */
export async function openJournal(path: string): Promise<Journal> {
  const answers = new Map<string, Place>()
  const asked = new Map<string, Usage>()
  if (await pathExists(path)) {
    let end = 0
    for await (const { text, ...place } of linesOf(path)) {
      end = place.at + place.length + 1
      const line = parseLine(text)
      if (!line) continue
      if (line.event === 'asked') asked.set(line.key, line.usage ?? NOTHING)
      else asked.delete(line.key)
      if (answerOf(line)) answers.set(line.key, place)
    }
    await truncate(path, end)
  }
  const lost = { n_calls: asked.size, input_tokens: 0, output_tokens: 0 }
  for (const { input_tokens, output_tokens } of asked.values()) {
    lost.input_tokens += input_tokens
    lost.output_tokens += output_tokens
  }
  let written: Promise<void> = Promise.resolve()
  return {
    async find(key) {
      const place = answers.get(key)
      const line = place && parseLine(await readPlace(path, place))
      return line?.key === key ? answerOf(line) : undefined
    },
    add(line) {
      const append = async (): Promise<void> => {
        const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
        await appendText(path, bytes.toString())
        // Asked of the file: another program may write to it too.
        const at = (await stat(path)).size - bytes.length
        if (answerOf(line)) answers.set(line.key, { at, length: bytes.length - 1 })
      }
      // One after another, so that no line stands inside another.
      const after = written.then(append)
      written = after.catch(() => {})
      return after
    },
    lost,
  }
}

const NOTHING = { input_tokens: 0, output_tokens: 0 }

function parseLine(text: string): JournalLine | undefined {
  try {
    return JournalLine.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** The whole lines of a file. Only a newline ends one: node:readline also cuts at U+2028, which JSON leaves in answers as it is. */
async function* linesOf(path: string): AsyncGenerator<Place & { text: string }> {
  let rest: Buffer = Buffer.alloc(0)
  let at = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    let from = 0
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a, from)) {
      yield { at: at + from, length: end - from, text: rest.toString('utf8', from, end) }
      from = end + 1
    }
    rest = rest.subarray(from)
    at += from
  }
}

async function readPlace(path: string, { at, length }: Place): Promise<string> {
  const file = await open(path)
  try {
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position: at })
    return buffer.toString()
  } finally {
    await file.close()
  }
}
