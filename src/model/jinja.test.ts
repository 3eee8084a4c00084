import { describe, expect, it } from 'vitest'
import { FormatError } from '../formats/index.ts'
import { renderTemplate, TemplateRefusal } from './jinja.ts'

const render = (template: string, variables: Record<string, unknown> = {}) =>
  renderTemplate('folder/chat_template.jinja', template, variables, new Date(2024, 6, 5, 9, 7, 3))

describe('a template', () => {
  it.each<[string, string]>([
    // As Python's Jinja renders them, with blocks trimmed and loop controls.
    ['{% for i in [1, 2] %}\n  {{ i }}\n{% endfor %}\n', '  1\n  2\n'],
    [
      '{% for i in [1, 2, 3] %}a{{ i }}{% if i == 2 %}b{% break %}{% endif %}.{% endfor %}!',
      'a1.a2b!',
    ],
    [
      '{% for i in [1, 2, 3] %}a{% if i != 2 %}b{% continue %}{% endif %}.{% else %}never{% endfor %}',
      'aba.ab',
    ],
    ['{% for i in [1] %}{% for j in [1, 2] %}{{ j }}{% break %}{% endfor %}.{% endfor %}', '1.'],
    [
      '{% for i in [1, 2] %}{% for j in [1, 2] %}{{ j }}{% break %}{% endfor %}.{% endfor %}',
      '1.1.',
    ],
    ["{{ '..a b..'.strip('.') }}|{{ '\\n x \\n'.strip('\\n') }}|{{ ' y '.strip() }}", 'a b| x |y'],
    ["{{ 'abcab'.lstrip('ab') }}|{{ 'abcbc'.rstrip('bc') }}|{{ 'a'.strip('a') }}|", 'cab|a||'],
    ["{{ {'a': [1, 'é', none]} | tojson }}", '{"a": [1, "é", null]}'],
    ["{{ strftime_now('%d %b %Y, %H:%M:%S') }}", '05 Jul 2024, 09:07:03'],
    ["{{ strftime_now('%A %-d %B %y %I%p %%') }}", 'Friday %-d July 24 09AM %'],
    ['{{ range(3) | join }} {{ range(5, 1, -2) | join }} {{ range(2, 2) | join }}', '012 53 '],
    ['{{ missing is defined }}{{ none is none }}{{ True }}', 'falsetruetrue'],
  ])('%j gives %j', (template, expected) => {
    expect(render(template)).toBe(expected)
  })

  it('refuses in its own words', () => {
    expect(() => render("{{ raise_exception('no ' ~ 1) }}")).toThrow(TemplateRefusal)
    expect(() => render("{{ raise_exception('no ' ~ 1) }}")).toThrow(/^no 1$/)
  })

  it.each([
    ['{% if %}', 'cannot be run'],
    ['{{ "a" | nothing }}', 'nothing'],
    ['{{ messages.constructor("return 1")() }}', 'not a function'],
  ])('%j is an error of the file', (template, message) => {
    expect(() => render(template, { messages: [] })).toThrow(FormatError)
    expect(() => render(template, { messages: [] })).toThrow(message)
    expect(() => render(template, { messages: [] })).toThrow('folder/chat_template.jinja')
  })
})

describe('a hostile template', () => {
  const GROWN = (n: number) =>
    `{% set ns = namespace(s='xxxxxxxxxx') %}{% for i in range(${n}) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`
  it.each([
    [
      'a range without end',
      '{% for i in range(1000000000) %}x{% endfor %}',
      'more than 100000 numbers',
    ],
    ['a range that stands still', '{{ range(0, 1, 0) }}', 'more than 100000 numbers'],
    [
      'loops in loops',
      `${'{% for i in range(200) %}'.repeat(4)}x${'{% endfor %}'.repeat(4)}`,
      /more than (200000 steps|5000 ms)/,
    ],
    [
      'a macro that calls itself',
      '{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(90) }}',
      /more than (200000 steps|5000 ms)/,
    ],
    ['a text that doubles', `${GROWN(100)}{{ ns.s }}`, 'more than 4194304 characters'],
    [
      'many long texts',
      `${GROWN(18)}{% for i in range(1000) %}{% set x = ns.s.upper() %}{% endfor %}`,
      'or too many',
    ],
    [
      'a text in every place of another',
      `${GROWN(18)}{{ ns.s.replace('x', ns.s) }}`,
      'Invalid string length',
    ],
    ['a deep expression', `{{ ${'('.repeat(100_000)} }}`, 'nests too deep'],
    ['blanks without end', ' '.repeat(100_000), '100000 blank characters'],
    ['a text without end', 'x'.repeat(300_000), 'has 300000 characters'],
  ])('%s is stopped', (_, template, message) => {
    let error: unknown
    try {
      render(template)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(FormatError)
    expect((error as Error).message).toMatch(message)
  })
})
