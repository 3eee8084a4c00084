/** pieces.json: the vocabulary of a suite's model as people read it, so that a copied suite shows its examples without the model. */
import { join } from 'node:path'
import { z } from 'zod'
import { pathExists, readJson, writeFileAtomic } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'

const FILE = 'pieces.json'

/** A piece as it is shown: leading space kept, a line break as U+21B5. */
export const showPiece = (piece: string): string =>
  piece === '<0x0A>' ? '\u21b5' : piece.replaceAll('\n', '\u21b5')

/** Whether a suite's folder has its vocabulary. */
export const hasPieces = (suite: string): Promise<boolean> => pathExists(join(suite, FILE))

/** Writes the vocabulary [d_vocab] of a suite's model into the suite's folder. */
export const writePieces = (suite: string, pieces: readonly string[]): Promise<void> =>
  writeFileAtomic(join(suite, FILE), JSON.stringify(pieces.map(showPiece)))

/**
 * The vocabulary of a suite's model [d_vocab]; undefined where the folder has none.
 * @throws FormatError if pieces.json is not a list of strings.
 */
export async function readPieces(suite: string): Promise<readonly string[] | undefined> {
  const path = join(suite, FILE)
  if (!(await pathExists(path))) return undefined
  const parsed = z.array(z.string()).safeParse(await readJson(path))
  if (!parsed.success)
    throw new FormatError(path, 'is not a list of pieces. Delete it and index the suite again.')
  return parsed.data
}

/** How token ids of a suite are shown; `<17>` for ids without a piece, and for all of them where the folder has no pieces.json. */
export async function openPieces(suite: string): Promise<(id: number) => string> {
  const pieces = await readPieces(suite)
  return (id) => pieces?.[id] ?? `<${id}>`
}
