/** A sentence encoder small enough to reckon with by hand: every word has its vector, and a text is the mean of its tokens'. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onnxGraph } from '../src/formats/index.ts'

/**
 * Writes tokenizer.json, config.json and onnx/model.onnx, as sentence encoders are published.
 * @param vectors by word, [PAD], [UNK], [CLS] and [SEP] first, all of one length; [CLS] and [SEP] stand around every text.
 * @param n_ctx tokens that it reads at most.
 */
export async function writeWordEncoder(
  folder: string,
  vectors: Readonly<Record<string, readonly number[]>>,
  n_ctx: number,
): Promise<void> {
  await mkdir(join(folder, 'onnx'))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerOf(Object.keys(vectors))))
  await writeFile(join(folder, 'config.json'), JSON.stringify({ max_position_embeddings: n_ctx }))
  await writeFile(join(folder, 'onnx/model.onnx'), encoderOf(Object.values(vectors)))
}

function tokenizerOf(words: readonly string[]) {
  const special = (word: string) => ({
    [word]: { id: word, ids: [words.indexOf(word)], tokens: [word] },
  })
  return {
    version: '1.0',
    added_tokens: words.slice(0, 4).map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { ...special('[CLS]'), ...special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  }
}

/** Looks each token up. */
function encoderOf(rows: readonly (readonly number[])[]): Uint8Array {
  const d = rows[0]!.length
  const graph = onnxGraph('encoder')
  const ids = graph.input('input_ids', 'I64', ['batch', 'tokens'])
  graph.input('attention_mask', 'I64', ['batch', 'tokens'])
  const values = new Uint8Array(Float32Array.from(rows.flat()).buffer)
  const table = graph.constant('table', 'F32', [rows.length, d], values)
  const found = graph.node('Gather', [table, ids])
  graph.output('last_hidden_state', found, 'F32', ['batch', 'tokens', d])
  return graph.finish()
}
