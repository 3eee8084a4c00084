/** Reads texts, from files or from data sets on the Hub, into a corpus. What files may hold is in `readDocuments.ts`. */

import { FormatError } from '../formats/index.ts'
import { isHubData, listData } from '../hub/index.ts'
import type { Tokenizer } from '../model/index.ts'
import { corpusBuilder } from './corpus.ts'
import { localFile, readDocuments } from './readDocuments.ts'
import type { TokenCorpus } from './types.ts'

export type ReadOptions = {
  /** Most tokens of a document, the BOS included: the model's context. */
  readonly n_ctx: number
  /** Field or column that holds the text; `text` where absent. */
  readonly text_column?: string | undefined
  /** A data set on the Hub is read only until the corpus holds so many tokens beside BOS; files are read whole. */
  readonly hub_tokens?: number | undefined
  readonly signal?: AbortSignal
  /** Told after every document: tokens so far, beside BOS. */
  readonly onProgress?: ((n_tokens: number) => void) | undefined
}

/**
 * Tokenizes the documents of `names` in their order, each with one BOS in front; texts longer than `n_ctx` tokens are cut into
 * several documents, each with its own BOS.
 * @param names paths, or data sets on the Hub: `owner/name[@revision][/path][:split]`. Memory holds the tokens.
 * @throws as `readDocuments` and `listData`; FormatError if a name holds no document; RangeError without names, or for a data
 *   set on the Hub without `hub_tokens`.
 */
export async function readCorpus(
  names: readonly string[],
  tokenizer: Tokenizer,
  { n_ctx, text_column, hub_tokens, signal, onProgress }: ReadOptions,
): Promise<TokenCorpus> {
  if (names.length === 0) throw new RangeError('readCorpus: no files given, expected at least one.')
  const builder = corpusBuilder({ n_ctx, bos: tokenizer.bos })
  let n_tokens = 0
  for (const name of names) {
    const isRemote = await isHubData(name)
    if (isRemote && hub_tokens === undefined)
      throw new RangeError(
        `${name}: how much of a data set on the Hub is to be read must be said. Give a number of tokens.`,
      )
    const files = isRemote ? await listData(name, { signal }) : [localFile(name)]
    const limit = isRemote ? (hub_tokens ?? 0) : Number.POSITIVE_INFINITY
    const before = n_tokens
    for (const file of files) {
      if (n_tokens >= limit) break
      for await (const text of readDocuments(file, text_column)) {
        signal?.throwIfAborted()
        const ids = tokenizer.tokenize(text, { bos: false })
        if (ids.length === 0) continue
        builder.addText(ids)
        n_tokens += ids.length
        onProgress?.(n_tokens)
        if (n_tokens >= limit) break
      }
      builder.endFile(file.name)
    }
    if (n_tokens === before && n_tokens < limit)
      throw new FormatError(name, 'holds no document, only white space. Name a file with text.')
  }
  return builder.finish()
}
