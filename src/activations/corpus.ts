/**
 * A corpus: tokenized documents one after another, their borders, and a split into two halves that share no text.
 * Reading files is in `readCorpus.ts`.
 */

import { createHash } from 'node:crypto'
import { openRandom, type Tokenizer } from '../model/index.ts'
import { permutation } from './random.ts'
import type { TokenCorpus } from './types.ts'

/** Collects documents; memory is the tokens' own (4 bytes each), doubled at most while growing. */
export type CorpusBuilder = {
  /** Adds one text's ids (without BOS), cut into documents of at most n_ctx tokens, BOS included if there is one. */
  addText(ids: Int32Array): void
  /** Ends the current file and names it. */
  endFile(name: string): void
  finish(): TokenCorpus
}

/**
 * Starts a corpus.
 * @param n_ctx most tokens of a document, the BOS included; at least 2.
 * @param bos the id put before every document, or undefined for none.
 * @throws RangeError for n_ctx below 2.
 */
export function corpusBuilder({
  n_ctx,
  bos,
}: {
  n_ctx: number
  bos: number | undefined
}): CorpusBuilder {
  if (!Number.isInteger(n_ctx) || n_ctx < 2) {
    throw new RangeError(
      `corpus: n_ctx is ${n_ctx}, expected an integer of at least 2 (BOS and one token).`,
    )
  }
  const lead = Int32Array.from(bos === undefined ? [] : [bos])
  let ids = new Int32Array(1 << 16)
  let n = 0
  let n_texts = 0
  const doc_start = [0]
  const doc_text: number[] = []
  const files: { name: string; n_docs: number; n_tokens: number }[] = []
  let file = { n_docs: 0, n_tokens: 0 }

  const reserve = (more: number) => {
    if (n + more <= ids.length) return
    const grown = new Int32Array(Math.max(ids.length * 2, n + more))
    grown.set(ids.subarray(0, n))
    ids = grown
  }

  return {
    addText(text) {
      const step = n_ctx - lead.length
      for (let at = 0; at < text.length; at += step) {
        const part = text.subarray(at, at + step)
        reserve(lead.length + part.length)
        ids.set(lead, n)
        ids.set(part, n + lead.length)
        n += lead.length + part.length
        doc_start.push(n)
        doc_text.push(n_texts)
      }
      n_texts++
    },
    endFile(name) {
      const before = file
      file = { n_docs: doc_text.length, n_tokens: n }
      files.push({
        name,
        n_docs: file.n_docs - before.n_docs,
        n_tokens: file.n_tokens - before.n_tokens,
      })
    },
    finish() {
      return withHash({
        bos,
        ids: ids.slice(0, n),
        doc_start: Int32Array.from(doc_start),
        doc_text: Int32Array.from(doc_text),
        files,
      })
    },
  }
}

/**
 * A corpus of texts in memory.
 * @param name what to call them in manifests.
 * @throws RangeError if no text has a token.
 */
export function corpusOfTexts(
  texts: Iterable<string>,
  tokenizer: Tokenizer,
  { n_ctx, name = 'memory' }: { n_ctx: number; name?: string },
): TokenCorpus {
  const builder = corpusBuilder({ n_ctx, bos: tokenizer.bos })
  for (const text of texts) builder.addText(tokenizer.tokenize(text, { bos: false }))
  builder.endFile(name)
  const corpus = builder.finish()
  if (corpus.ids.length === 0) throw new RangeError(`${name}: holds no text. Give at least one.`)
  return corpus
}

/** Where a document's text begins in `ids`: behind its BOS, if it has one. */
export function textStart({ doc_start, bos }: TokenCorpus, doc: number): number {
  return doc_start[doc]! + (bos === undefined ? 0 : 1)
}

/**
 * Documents drawn at random, each once, until they hold `n_tokens` tokens beside their BOS; in the order of the corpus. The
 * corpus itself where it holds no more.
 */
export function sampleCorpus(
  corpus: TokenCorpus,
  { n_tokens, seed }: { n_tokens: number; seed: number },
): TokenCorpus {
  const n_docs = countDocuments(corpus)
  const n_lead = corpus.bos === undefined ? 0 : n_docs
  if (corpus.ids.length - n_lead <= n_tokens) return corpus
  const chosen = new Set<number>()
  let held = 0
  for (const doc of permutation(n_docs, openRandom(seed))) {
    if (held >= n_tokens) break
    chosen.add(doc)
    held += corpus.doc_start[doc + 1]! - textStart(corpus, doc)
  }
  return selectDocuments(corpus, (doc) => chosen.has(doc))
}

/** Number of documents of a corpus. */
export function countDocuments(corpus: TokenCorpus): number {
  return corpus.doc_start.length - 1
}

/**
 * Splits a corpus into training and held-out documents that share no text.
 *
 * Texts are ordered by a hash of their tokens and the seed; the first of them, up to `held_out` of all tokens, are held
 * out (at least one, never all). So the split does not depend on the order of files, and copies of one text stay on one
 * side. A corpus of a single text is cut once instead: its last documents are held out.
 * @param held_out share of tokens, between 0 and 1, both excluded.
 * @throws RangeError if `held_out` is not such a share or there are fewer than two documents.
 */
export function splitCorpus(
  corpus: TokenCorpus,
  { held_out, seed = 0 }: { held_out: number; seed?: number },
): { train: TokenCorpus; held_out: TokenCorpus } {
  if (!(held_out > 0 && held_out < 1)) {
    throw new RangeError(`splitCorpus: held_out is ${held_out}, expected a share between 0 and 1.`)
  }
  const n_docs = countDocuments(corpus)
  if (n_docs < 2) {
    throw new RangeError(
      `splitCorpus: the corpus has ${n_docs} document, expected at least 2. Separate documents by a line <|endoftext|>, or give more text.`,
    )
  }
  const groups = groupsInHashOrder(corpus, seed)
  const wanted = held_out * corpus.ids.length
  const isHeldOut = new Uint8Array(n_docs)
  let n_tokens = 0
  for (const [i, docs] of groups.entries()) {
    if (i === groups.length - 1 || (i > 0 && n_tokens >= wanted)) break
    for (const doc of docs) {
      isHeldOut[doc] = 1
      n_tokens += corpus.doc_start[doc + 1]! - corpus.doc_start[doc]!
    }
  }
  return {
    train: selectDocuments(corpus, (doc) => isHeldOut[doc] === 0),
    held_out: selectDocuments(corpus, (doc) => isHeldOut[doc] === 1),
  }
}

/** The documents that `keep` takes, in their order; hash and counts are those of what is kept. */
export function selectDocuments(corpus: TokenCorpus, keep: (doc: number) => boolean): TokenCorpus {
  const kept: number[] = []
  const files = corpus.files.map(({ name }) => ({ name, n_docs: 0, n_tokens: 0 }))
  let file = 0
  let file_end = corpus.files[0]?.n_docs ?? 0
  for (let doc = 0; doc < countDocuments(corpus); doc++) {
    while (doc >= file_end && file + 1 < files.length) file_end += corpus.files[++file]!.n_docs
    if (!keep(doc)) continue
    kept.push(doc)
    const counted = files[file]
    if (counted === undefined) continue
    counted.n_docs++
    counted.n_tokens += corpus.doc_start[doc + 1]! - corpus.doc_start[doc]!
  }
  const doc_start = new Int32Array(kept.length + 1)
  for (const [i, doc] of kept.entries()) {
    doc_start[i + 1] = doc_start[i]! + corpus.doc_start[doc + 1]! - corpus.doc_start[doc]!
  }
  const ids = new Int32Array(doc_start.at(-1)!)
  for (const [i, doc] of kept.entries()) {
    ids.set(corpus.ids.subarray(corpus.doc_start[doc], corpus.doc_start[doc + 1]), doc_start[i])
  }
  const doc_text = Int32Array.from(kept, (doc) => corpus.doc_text?.[doc] ?? doc)
  return withHash({ bos: corpus.bos, ids, doc_start, doc_text, files })
}

/** Documents grouped by text (copies of a text together), groups in the order of their hash; one text: one group a document. */
function groupsInHashOrder(corpus: TokenCorpus, seed: number): number[][] {
  const n_docs = countDocuments(corpus)
  const text_docs = new Map<number, number[]>()
  for (let doc = 0; doc < n_docs; doc++) {
    const text = corpus.doc_text?.[doc] ?? doc
    const docs = text_docs.get(text)
    if (docs === undefined) text_docs.set(text, [doc])
    else docs.push(doc)
  }
  const by_hash = new Map<string, number[]>()
  for (const docs of text_docs.values()) {
    const hash = createHash('sha256').update(`${seed}\n`)
    for (const doc of docs) hash.update(idBytes(corpus, doc))
    const key = hash.digest('hex')
    by_hash.set(key, [...(by_hash.get(key) ?? []), ...docs])
  }
  if (by_hash.size === 1) return Array.from({ length: n_docs }, (_, i) => [n_docs - 1 - i])
  return [...by_hash].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, docs]) => docs)
}

function idBytes(corpus: TokenCorpus, doc: number): Uint8Array {
  return bytesOf(corpus.ids.subarray(corpus.doc_start[doc], corpus.doc_start[doc + 1]))
}

function withHash(corpus: Omit<TokenCorpus, 'hash'>): TokenCorpus {
  const { doc_start, ids } = corpus
  const hash = createHash('sha256').update(bytesOf(doc_start)).update(bytesOf(ids)).digest('hex')
  return { ...corpus, hash }
}

function bytesOf(array: Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
