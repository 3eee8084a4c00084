/** The journal of calls on disk: JSON lines beside a suite. The only file of this folder that touches files. */
import { createReadStream } from 'node:fs'
import { stat, truncate } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { appendText, pathExists } from '../files/index.ts'
import { answerOf, type Journal, JournalLine } from './ask/journal.ts'
import type { CallAnswer, Usage } from './ask/question.ts'

/** The file in a suite's folder. */
export const CALLS_FILE = 'calls.jsonl'

/**
 * Opens a journal; the file is made by the first call. A last line that a kill has cut is taken away; a line in the middle that
 * cannot be read is passed over, and its call asked again.
 * @throws FileError where the file cannot be written.
 */
export async function openJournal(path: string): Promise<Journal> {
  const answers = new Map<string, CallAnswer>()
  const asked = new Map<string, Usage>()
  if (await pathExists(path)) {
    await cutTornLine(path)
    for await (const text of createInterface({ input: createReadStream(path, 'utf8') })) {
      const line = parseLine(text)
      if (!line) continue
      if (line.event === 'asked') asked.set(line.key, line.usage ?? NOTHING)
      else asked.delete(line.key)
      const answer = answerOf(line)
      if (answer) answers.set(line.key, answer)
    }
  }
  const lost = { n_calls: asked.size, input_tokens: 0, output_tokens: 0 }
  for (const { input_tokens, output_tokens } of asked.values()) {
    lost.input_tokens += input_tokens
    lost.output_tokens += output_tokens
  }
  let written: Promise<void> = Promise.resolve()
  return {
    find: (key) => Promise.resolve(answers.get(key)),
    add(line) {
      // One after another, so that no line stands inside another.
      const before = written
      const after = before.then(() => appendText(path, `${JSON.stringify(line)}\n`))
      written = after.catch(() => {})
      return after.then(() => {
        const answer = answerOf(line)
        if (answer) answers.set(line.key, answer)
      })
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

/** Takes away what follows the last newline. */
async function cutTornLine(path: string): Promise<void> {
  const { size } = await stat(path)
  let end = 0
  let at = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const last = chunk.lastIndexOf(0x0a)
    if (last >= 0) end = at + last + 1
    at += chunk.length
  }
  if (end < size) await truncate(path, end)
}
