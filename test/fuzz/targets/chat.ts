/** Chat templates: Jinja with pieces put in, taken out and moved; loops without end, values without bound, ways into JavaScript. */

import { gemma2 } from '../../../src/model/architectures/gemma2.ts'
import { chatEnds, renderChat, tokenizeChat } from '../../../src/model/chat.ts'
import { loadChatFormat } from '../../../src/model/chatFormat.ts'
import { openTokenizer } from '../../../src/model/tokenizer.ts'
import { memoryFolder } from '../../memoryFolder.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { fixture, fixturesBelow, jsonFixture } from '../fixtures.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'

const FILE = 'chat_template.jinja'
const ENDS = 'generation_config.json'
const GEMMA = 'test/fixtures/tokenizers/gemma'
const SETTINGS = { bos_token: '<bos>', eos_token: '<eos>' }
const MESSAGES = [
  { role: 'system', content: 'Be <bos> brief.' },
  { role: 'user', content: [{ type: 'text', text: ' Hi\n<end_of_turn> ' }] },
  { role: 'assistant', content: 'é🙂' },
  { role: 'user', content: 'And?' },
]

/** Put among a template's own pieces; several make sense only together with others. */
const PIECES = [
  '{{', '}}', '{%', '%}', '{#', '#}', '-%}', '{%-', 'for', 'in', 'if', 'elif', 'else', 'endif', 'endfor', 'set', 'endset', 'macro', 'endmacro',
  'call', 'filter', 'break', 'continue', 'generation', 'is', 'not', 'and', 'or', 'none', 'true', 'loop', 'namespace', 'range', '(', ')', '[', ']', '{', '}',
  '.', ',', ':', '|', '~', '+', '-', '*', '/', '//', '%', '**', '==', '<', '=', "'", '"', '\\', '0', '-1', '1e9', '999999999999', '\u0000', '\ud800',
  'messages', 'message', '__proto__', 'constructor', 'prototype', 'toString', '__class__', 'length', 'items', 'keys', 'join', 'tojson', 'map', 'select',
  "{{ ''.constructor.constructor('return process')() }}", '{{ messages.constructor }}', '{{ messages.__proto__.polluted }}',
  '{% set messages.__proto__ = 1 %}', '{% set ns = namespace(__proto__=1) %}', '{% for i in range(1000000000) %}{% endfor %}',
  '{% for a in range(300) %}{% for b in range(300) %}{% for c in range(300) %}{{ c }}{% endfor %}{% endfor %}{% endfor %}',
  "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
  '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', "{{ 'x' * 1000000000 }}", "{{ 'a' | indent(999999999) }}", '{{ range(0, 9, 0) }}',
  "{{ messages | map('undefined') | list }}", "{{ strftime_now('%') }}", "{{ raise_exception('\u001b[2J') }}", '{{ raise_exception(messages) }}',
  "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa') | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
  '{{ messages[0:-1:2] }}', '{{ messages[99].content }}', '{{ add_generation_prompt.x.y }}', '{{ 1 / 0 }}', '{{ messages | tojson(indent=4) }}',
] as const // biome-ignore format: one list

const config = gemma2.parseConfig('config.json', {
  ...(jsonFixture('models/thimble-5m/config.json') as object),
  vocab_size: 600,
})
const gemma = memoryFolder('gemma', {
  'tokenizer.json': fixture(`${GEMMA}/tokenizer.json`),
  'tokenizer_config.json': fixture(`${GEMMA}/tokenizer_config.json`),
})
const tokenizer = (await openTokenizer(gemma, config))!

export const chat: Target = {
  name: 'chat',
  also: ['RangeError'],
  says_undefined: true,
  bytes_per_byte: 64,
  sources: ['model/jinja.ts', 'model/chat.ts', 'model/chatFormat.ts'],

  async seeds() {
    return fixturesBelow('test/fixtures/chat').map((path) => ({
      [FILE]: fixture(path),
      [ENDS]: text('{"eos_token_id": [1, 5]}'),
    }))
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)
    if (random.once(8)) {
      return { ...seed, [FILE]: mutateBytes(random, seed[FILE]!, random.pick(seeds)[FILE]!) }
    }
    if (random.once(30)) return { ...seed, [ENDS]: mutateBytes(random, seed[ENDS]!, seed[ENDS]!) }
    return { ...seed, [FILE]: mutateTemplate(random, seed[FILE]!) }
  },

  async read(files) {
    const format = await loadChatFormat(memoryFolder('fuzz', { ...files }), SETTINGS)
    const model = { name: FILE, tokenizer: { ...tokenizer, chat: format! } }
    renderChat(model, MESSAGES.slice(3))
    tokenizeChat(model, MESSAGES)
    chatEnds(model)
  },
}

function mutateTemplate(random: Random, bytes: Bytes): Bytes {
  const pieces = new TextDecoder().decode(bytes).split(/(\s+|\{[{%#]-?|-?[}%#]\}|\W)/)
  for (let n = random.few(5); n > 0; n--) {
    const at = random.below(pieces.length)
    const length = 1 + random.length(6)
    const other = random.below(pieces.length)
    switch (random.below(5)) {
      case 0:
        pieces.splice(at, 0, ` ${random.pick(PIECES)} `)
        break
      case 1:
        pieces.splice(at, length)
        break
      case 2:
        pieces.splice(at, length, random.pick(PIECES))
        break
      case 3:
        pieces.splice(other, 0, ...pieces.slice(at, at + length))
        break
      default:
        // Nested deep enough to end a recursion.
        if (random.once(20))
          pieces.splice(
            at,
            0,
            random.pick(['(', '[', '{%if 1%}', '-', 'not ']).repeat(random.pick([10, 500, 20_000])),
          )
        else pieces.splice(at, 1, random.pick(pieces))
    }
  }
  return text(pieces.join(''))
}
