/** Mutations of JSON as a tree that can hold what no object can: a key twice, numbers of any spelling, depth without end. */

import type { Random } from './random.ts'

/** A tree of JSON: leaves are text as it will be written. */
export type Node = { pairs: [string, Node][] } | { items: Node[] } | { leaf: string }

export function treeOf(value: unknown): Node {
  if (Array.isArray(value)) return { items: value.map(treeOf) }
  if (typeof value === 'object' && value !== null) {
    return { pairs: Object.entries(value).map(([key, item]) => [key, treeOf(item)]) }
  }
  return { leaf: JSON.stringify(value) }
}

export function renderTree(node: Node): string {
  if ('leaf' in node) return node.leaf
  if ('items' in node) return `[${node.items.map(renderTree).join(',')}]`
  return `{${node.pairs.map(([key, item]) => `${JSON.stringify(key)}:${renderTree(item)}`).join(',')}}`
}

/** Names that mean something to JavaScript, to paths, or to nobody. */
export const HOSTILE_NAMES = [
  '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', '', ' ', '0', '-1', '4294967295',
  '../../etc/passwd', '/etc/passwd', 'C:\\x', 'a/../b', 'a\u0000b', '\u001b[31m', '\u009b31m', '\ud800', '\u202egnp', 'é', '🙂',
  'n'.repeat(5000), '__metadata__', 'null', 'then',
] as const // biome-ignore format: one list

const LEAVES = [
  'null', 'true', 'false', '0', '-0', '1', '-1', '1.5', '1e3', '1e-400', '1e400', '9007199254740993', '01', 'NaN', '+1',
  '""', '"0"', '"F32"', '"\\u0000"', '"\\ud800"', '[]', '{}', '[[]]', '{"__proto__":{"polluted":1}}',
] as const // biome-ignore format: one list

/**
 * One mutation of the tree, in place; the root stays.
 * @param skip keys whose values are left alone.
 */
export function mutateTree(random: Random, root: Node, skip: readonly string[] = []): void {
  const places = branches(root, skip)
  const node = random.pick(places)
  if ('leaf' in node) return
  const list: (Node | [string, Node])[] = 'items' in node ? node.items : node.pairs
  const at = random.below(list.length)
  const set = (value: Node) => {
    if ('items' in node) node.items[at] = value
    else if (node.pairs.length > 0) node.pairs[at]![1] = value
  }
  switch (list.length === 0 ? 0 : random.below(9)) {
    case 0:
      if ('items' in node) node.items.splice(at, 0, leaf(random))
      else node.pairs.splice(at, 0, [random.pick(HOSTILE_NAMES), leaf(random)])
      return
    case 1:
      list.splice(at, 1)
      return
    case 2:
      list.splice(random.below(list.length), 0, structuredClone(list[at]!))
      return
    case 3:
      if ('items' in node) node.items.reverse()
      else
        node.pairs[at]![0] = random.once(3)
          ? random.pick(node.pairs)[0]
          : random.pick(HOSTILE_NAMES)
      return
    case 4:
    case 5:
      set(leaf(random))
      return
    case 6:
      set({ leaf: String(random.integer()) })
      return
    case 7:
      set(structuredClone(random.pick(places)))
      return
    default:
      if (!random.once(8)) set({ leaf: JSON.stringify(random.pick(HOSTILE_NAMES)) })
      else if (random.once(2)) set(deep(random))
      else set({ items: Array<Node>(random.length(3000)).fill({ leaf: '1' }) })
  }
}

function leaf(random: Random): Node {
  return { leaf: random.pick(LEAVES) }
}

/** Brackets within brackets: deep enough to end a recursion. */
function deep(random: Random): Node {
  const n = random.pick([2, 5, 100, 30_000])
  const [open, close] = random.pick([['[', ']'], ['{"a":', '}']] as const) // biome-ignore format: pairs
  return { leaf: `${open.repeat(n)}0${close.repeat(n)}` }
}

/** Every object and array of the tree, but those below the keys to skip. */
function branches(node: Node, skip: readonly string[]): Node[] {
  if ('leaf' in node) return []
  const below =
    'items' in node
      ? node.items
      : node.pairs.filter(([key]) => !skip.includes(key)).map(([, item]) => item)
  return [node, ...below.flatMap((item) => branches(item, skip))]
}
