import { describe, expect, it } from 'vitest'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { halfOf } from '../examples/activity.ts'
import { wordBackground } from './background.ts'
import { lexicalLabel } from './lexicalLabel.ts'
import { readWords } from './words.ts'

/** A vocabulary that grows with the texts: `|` ends a token, `[...]` is the peak. */
function vocabulary() {
  const pieces: string[] = ['<bos>']
  const idOf = (piece: string) => {
    const known = pieces.indexOf(piece)
    return known >= 0 ? known : pieces.push(piece) - 1
  }
  const example = (text: string, doc: number, interval = 0): LatentExample => {
    const tokens = text.split('|')
    const peak = tokens.findIndex((token) => token.startsWith('['))
    const ids = Int32Array.from(tokens, (token) => idOf(token.replace(/^\[(.*)\]$/s, '$1')))
    const values = new Float32Array(ids.length)
    values[peak] = 2
    return { interval, doc, start: 7, peak, ids, values }
  }
  const record = (texts: string[], weaker: string[] = [], raised: string[] = []): LatentRecord => ({
    index: 3,
    density: 0.01,
    n_active: texts.length,
    max_act: 2,
    mean_act: 1,
    histogram: { edges: [0, 2], counts: [texts.length] },
    examples: [
      ...texts.map((text, doc) => example(text, doc)),
      ...weaker.map((text, doc) => example(text, doc, 1)),
    ],
    top_logits: raised.map((piece) => ({ id: idOf(piece), effect: 1 })),
    bottom_logits: [],
    neighbours: [],
  })
  return { pieces, record, idOf }
}

function labelOf(texts: string[], more: { weaker?: string[]; raised?: string[] } = {}) {
  const { pieces, record } = vocabulary()
  return lexicalLabel(record(texts, more.weaker, more.raised), { pieces })
}

describe('readWords', () => {
  it('joins pieces into words across apostrophes, hyphens and digits, and keeps signs, lines and control tokens apart', () => {
    const pieces = [
      '<bos>',
      ' th',
      'im',
      'ble',
      "'",
      's',
      ' ice',
      '-',
      'cream',
      ',',
      ' 3',
      '4',
      '00',
      '<0x0A>',
      '"',
      ' ',
      '.',
    ]
    const ids = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 11, 12, 16, 13, 14, 15, 11]
    expect(readWords(ids, pieces).map(({ text }) => text)).toEqual([
      '<bos>',
      "thimble's",
      'ice-cream',
      ',',
      '3,400',
      '.',
      '\n',
      '"',
      ' ',
      '4',
    ])
  })

  it('refuses ids beyond the vocabulary', () => {
    expect(() => readWords([5], [' a'])).toThrow(RangeError)
  })
})

describe('lexicalLabel', () => {
  it('names the word that dominates, with the counts as evidence', () => {
    const texts = [
      ' a|[ moon]| rose',
      ' the|[ moon]| set',
      ' full|[ moon]',
      ' new|[ moon]|.',
      ' one|[ sun]| here',
    ]
    const label = labelOf(texts, {
      weaker: [' x|[ moon]', ' y|[ sky]'],
      raised: [' light', 'light', ' beam'],
    })
    expect(label).toEqual({
      text: '“moon”',
      evidence: 'peak on “moon” in 4 of 5 top examples, 1 of 2 weaker ones; raises “light”, “beam”',
      confidence: 5 / 7,
      claim: [{ any: [{ kind: 'word', value: 'moon' }] }],
    })
  })

  it('shows whole words where the peak is a piece of one', () => {
    expect(labelOf([' a| bic|[y]|cle', ' his| bic|[y]|cle', ' my| bic|[y]|cle']).text).toBe(
      '“bicycle”',
    )
    expect(
      labelOf([' he| whis|[per]|ed', ' the| Em|[per]|or', ' an| Ō|[per]|a', ' su|[per]|b']).text,
    ).toMatch(/^“…per…” in whispered, Emperor/)
  })

  it('groups the forms of one word', () => {
    expect(
      labelOf([
        ' to|[ move]',
        ' it|[ moved]',
        ' she|[ moved]',
        ' is|[ moving]',
        ' they|[ move]',
        ' we|[ moved]',
      ]).text,
    ).toBe('“moved / move / moving”')
  })

  it('names two or three words', () => {
    expect(
      labelOf([' a|[ she]| x', '.|[ he]| y', ' so|[ she]| z', ' if|[ he]| w', ' as|[ she]| v'])
        .text,
    ).toBe('“she”, “he”')
  })

  it.each([
    ['numbers', [' in|[ 3]', ' of|[ 40]', ' at|[ 517]', ' the|[ 9]']],
    ['years', [' in|[ 1873]', ' by|[ 1970]', ' the|[ 1651]', ' of|[ 2004]']],
    ['names', [' to|[ Anna]', ' saw|[ Tom]', ' of|[ Lily]', ' with|[ Rufus]']],
    ['months', [' in|[ May]', ' since|[ June]', ' last|[ April]', ' until|[ March]']],
    ['words in -ing', [' was|[ singing]', ' is|[ walking]', ' of|[ sewing]', ' kept|[ diving]']],
    ['subject pronouns', [' if|[ he]', ' as|[ they]', ' so|[ we]', ' then|[ I]', ' that|[ she]']],
  ])('names a class with examples: %s', (name, texts) => {
    expect(labelOf(texts).text).toMatch(new RegExp(`^${name}: \\S+, \\S+, \\S+`))
  })

  it.each([
    ['comma', [' one|[,]| two', ' red|[,]| blue', ' a|[,]| b']],
    ['new line', [' end|[<0x0A>]| He', ' x|[<0x0A>]| y', ' z|[<0x0A>]| w']],
    ['opening quotation mark', [' said|[ "]|Come', ' he|[ "]|No', ' so|[ "]|Yes']],
    ['closing quotation mark', [' come|["]| he', ' x|["]| she', ' y|["]| we']],
  ])('names a sign: %s', (name, texts) => {
    expect(labelOf(texts).text).toBe(name)
  })

  it('says what always stands before or after', () => {
    expect(
      labelOf([' out| of|[ doors]', ' out| of|[ town]', ' out| of|[ sight]', ' out| of|[ bed]'])
        .text,
    ).toBe('after “out of”: doors, town, sight')
    expect(
      labelOf([
        ' ten|[ long]| years',
        ' for|[ forty]| years',
        ' in|[ later]| years',
        ' of|[ happy]| years',
      ]).text,
    ).toBe('before “years”: long, forty, later')
    expect(
      labelOf([
        ' went| out|[ of]| a',
        ' ran| out|[ of]| it',
        ' is| out|[ of]| the',
        ' took| out|[ of]| her',
      ]).text,
    ).toBe('“of” after “out”')
  })

  it('says what it predicts where raised tokens really follow', () => {
    const texts = [
      ' big|[ red]| bus',
      ' an|[ old]| car',
      ' the|[ night]| bus',
      ' his|[ own]| car',
      ' one|[ slow]| van',
    ]
    expect(labelOf(texts, { raised: [' bus', ' car', ' van'] }).text).toBe(
      'predicts “bus”, “car”, “van”',
    )
  })

  it('tells a text in another language', () => {
    const texts = [
      ' der|[ Hund]| und| die| Katze',
      ' und|[ kalt]| ist| das| Wasser',
      ' die|[ Stadt]| und| das| Land',
      ' ist|[ sehr]| nicht| die| mit',
    ]
    expect(labelOf(texts).text).toMatch(/^German text: /)
  })

  it('says what the contexts are about against the background', () => {
    const { pieces, record, idOf } = vocabulary()
    const peaks = ['went', 'blue', 'seven', 'calmly', 'door', 'never']
    const latent = record(peaks.map((peak, i) => ` my${i}| ship| a${i}|[ ${peak}]| b${i}| harbour`))
    const background = wordBackground(
      Array.from({ length: 50 }, (_, i) => [idOf(` word${i}`), idOf(` other${i}`)]),
      pieces,
    )
    // Two words of each document that is not kept for scoring.
    const n_read = Array.from({ length: 50 }, (_, doc) => doc).filter(
      (doc) => halfOf(doc) === 'explaining',
    ).length
    expect(background.n_words).toBe(2 * n_read)
    expect(lexicalLabel(latent, { pieces, background }).text).toBe('about harbour, ship')
  })

  it('adds what weaker activations share where other text shows that it is rare', () => {
    const { pieces, record, idOf } = vocabulary()
    const latent = record(
      [' a|[ moon]| x', ' b|[ moon]| y', ' c|[ moon]| z', ' d|[ moon]| w'],
      [' e|[ star]| x', ' f|[ star]| y', ' g|[ the]| z', ' h|[ the]| w', ' i|[ sail]|[or]'],
    )
    // Every window of other text holds "the".
    const filler = Array.from({ length: 40 }, (_, i) => idOf(i % 4 === 0 ? ' the' : ` word${i}`))
    const background = wordBackground(
      Array.from({ length: 20 }, () => filler),
      pieces,
    )
    const label = lexicalLabel(latent, { pieces, background })
    expect(label.text).toMatch(/^“moon”; also “star”/)
    expect(label.text).not.toContain('“the”')
    expect(label.claim).toContainEqual({
      any: expect.arrayContaining([{ kind: 'whole', value: 'star' }]),
    })
    expect(label.evidence).toContain('of 9 tokens where it fires, and in 0 % of other windows')
  })

  it('says that it is not sure, and that it found nothing, instead of inventing', () => {
    const weak = labelOf([' a|[ sea]', ' b|[ sea]', ' c|[ fork]', ' d|[ glad]', ' e|[ only]'])
    expect(weak).toMatchObject({ text: 'perhaps “sea”', confidence: 0.4 })
    const none = labelOf([
      ' a|[ sea]',
      ' b|[ fork]',
      ' c|[ glad]',
      ' d|[ only]',
      ' e|[ up]',
      ' f|[ oak]',
    ])
    expect(none.text).toBe('mixed: “sea”, “fork”, “glad”, “only”')
    expect(none.confidence).toBe(0)
  })

  it('says that a latent is dead, and on how many tokens', () => {
    const { pieces, record } = vocabulary()
    const label = lexicalLabel(record([]), { pieces, n_tokens: 228_988 })
    expect(label.text).toBe('dead: does not fire on any of 228,988 tokens')
    expect(label).not.toHaveProperty('confidence')
  })

  it('stays short whatever the words', () => {
    const long = 'x'.repeat(400)
    expect([...labelOf([` a|[ ${long}]`]).text].length).toBeLessThanOrEqual(90)
  })
})
