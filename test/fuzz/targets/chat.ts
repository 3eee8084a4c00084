/** Chat templates: Jinja with pieces put in, taken out and moved; loops without end, values without bound, ways into JavaScript. */

import { openBytes } from '../../../src/formats/index.ts'
import { gemma2 } from '../../../src/model/architectures/gemma2.ts'
import { chatEnds, renderChat, tokenizeChat } from '../../../src/model/chat.ts'
import { loadChatFormat } from '../../../src/model/chatFormat.ts'
import { readJsonSource } from '../../../src/model/checkpoint.ts'
import { openTokenizer } from '../../../src/model/tokenizer.ts'
import { memoryFolder } from '../../memoryFolder.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { fixture, fixturesBelow, jsonFixture } from '../fixtures.ts'
import { mutateTree, renderTree, treeOf } from '../json.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'

const FILE = 'chat_template.jinja'
const ENDS = 'generation_config.json'
const GEMMA = 'test/fixtures/tokenizers/gemma'
const SETTINGS = 'tokenizer_config.json'
const MESSAGES = [
  { role: 'user', content: ' Hi\n<end_of_turn> <bos>' },
  { role: 'assistant', content: 'é🙂' },
  { role: 'user', content: 'And?' },
]

/** What published templates hardly use, and may. */
const RARE = `{%- macro show(m, n=1) -%}{{ m.content | trim }}{{ n }}{%- endmacro -%}
{%- set ns = namespace(found=false) -%}
{{ strftime_now('%d %b %Y %H:%M') }}{{ '..a..'.strip('.') ~ 'b.'.rstrip('.') ~ ' c'.lstrip() }}
{%- for m in messages if m.role != 'system' -%}
{%- if loop.index0 > 5 -%}{% break %}{%- elif m.role == 'tool' -%}{% continue %}{%- endif -%}
[{{ loop.index }} {{ m.role | upper }}]{{ show(m) }}{%- set ns.found = true -%}
{%- else -%}nobody{%- endfor -%}
{%- for i in range(3) -%}{{ i }}{%- endfor -%}
{{ messages | length }}{{ messages[0] | tojson }}{{ ['a', 'b'] | join(', ') }}{{ (messages | first).role }}
{%- if not ns.found -%}{{ raise_exception('none of them') }}{%- endif -%}`

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
    const tokens = { bos_token: '<bos>', eos_token: '<eos>' }
    const published = fixturesBelow('test/fixtures/chat').map((path) =>
      new TextDecoder().decode(fixture(path)),
    )
    return [...published, RARE].flatMap((template) => {
      const chat_template = ['default', 'tool_use'].map((name) => ({ name, template }))
      return [
        {
          [FILE]: text(template),
          [SETTINGS]: text(JSON.stringify(tokens)),
          [ENDS]: text('{"eos_token_id": [1, 5]}'),
        },
        { [SETTINGS]: text(JSON.stringify({ ...tokens, chat_template })) },
        { [SETTINGS]: text(JSON.stringify({ ...tokens, chat_template: template })) },
      ]
    })
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)
    const name = FILE in seed && !random.once(10) ? FILE : random.pick(Object.keys(seed))
    const bytes = seed[name]!
    if (random.once(8)) return { ...seed, [name]: mutateBytes(random, bytes, bytes) }
    return {
      ...seed,
      [name]: name === FILE ? mutateTemplate(random, bytes) : mutateJson(random, bytes),
    }
  },

  async read(files) {
    const folder = memoryFolder('fuzz', { ...files })
    const settings = await readJsonSource(openBytes(`fuzz/${SETTINGS}`, files[SETTINGS]!))
    const format = await loadChatFormat(folder, Object(settings))
    if (format === undefined) return
    const model = { name: SETTINGS, tokenizer: { ...tokenizer, chat: format } }
    renderChat(model, MESSAGES.slice(2))
    tokenizeChat(model, MESSAGES)
    chatEnds(model)
  },
}

function mutateJson(random: Random, bytes: Bytes): Bytes {
  const tree = treeOf(JSON.parse(new TextDecoder().decode(bytes)))
  for (let n = random.few(3); n > 0; n--) mutateTree(random, tree)
  return text(renderTree(tree))
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
