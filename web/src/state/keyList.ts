/** Every key of the page and what it does there. Help lists them; the palette offers those of the view one is in. */
import { type ViewName, views } from './views.ts'

/** Keys as `useKeys` names them; those that only a field, a list or a figure with the focus hears begin with a space. */
export type KeyEntry = {
  readonly where: ViewName | 'Everywhere' | 'In a field' | 'In a figure or text'
  readonly keys: readonly string[]
  readonly does: string
}

/** In the order of help. */
export const keyList: readonly KeyEntry[] = [
  { where: 'Everywhere', keys: ['mod k'], does: 'go to anything: views, latents, suites, actions' },
  { where: 'Everywhere', keys: ['/'], does: 'search' },
  ...views.map(
    ({ name, key }): KeyEntry => ({
      where: 'Everywhere',
      keys: [`g ${key}`],
      does: `go to ${name}`,
    }),
  ),
  { where: 'Everywhere', keys: ['?'], does: 'help: every key, and how to read this' },
  { where: 'Everywhere', keys: ['S'], does: 'share: keep this view as a file' },
  { where: 'Everywhere', keys: ['escape'], does: 'close what is open; leave a field' },
  { where: 'Microscope', keys: ['left', 'right', 'up', 'down'], does: 'move over the cells' },
  {
    where: 'Microscope',
    keys: ['enter'],
    does: 'lock the strongest latent of the cell; again to unlock',
  },
  { where: 'Microscope', keys: ['escape'], does: 'unlock' },
  {
    where: 'Microscope',
    keys: ['o'],
    does: 'open the latent that is locked, or the strongest of the cell',
  },
  { where: 'Microscope', keys: ['s'], does: 'steer with that latent' },
  { where: 'Search', keys: [' up', ' down'], does: 'choose among what was found' },
  { where: 'Search', keys: [' enter'], does: 'open the chosen latent' },
  { where: 'Compare', keys: ['left', 'right', 'up', 'down'], does: 'move over tokens and layers' },
  { where: 'Compare', keys: ['enter'], does: 'lock what differs most in the cell' },
  { where: 'Compare', keys: ['escape'], does: 'unlock' },
  { where: 'Compare', keys: ['o'], does: 'open that latent' },
  { where: 'Latent', keys: ['j', 'right'], does: 'next latent' },
  { where: 'Latent', keys: ['k', 'left'], does: 'previous latent' },
  { where: 'Latent', keys: ['e'], does: 'write a label' },
  { where: 'Latent', keys: ['u'], does: 'take the last change of a label back' },
  { where: 'Latent', keys: ['s'], does: 'steer with this latent' },
  { where: 'Review', keys: ['i'], does: 'write the guess' },
  { where: 'Review', keys: ['enter'], does: 'show the labels' },
  { where: 'Review', keys: ['j', 'k', 'down', 'up'], does: 'choose among the labels' },
  { where: 'Review', keys: ['a'], does: 'accept' },
  { where: 'Review', keys: ['e'], does: 'edit' },
  { where: 'Review', keys: ['d'], does: 'dispute' },
  { where: 'Review', keys: ['x'], does: 'skip' },
  {
    where: 'Review',
    keys: ['1', '2', '3'],
    does: 'the guess is the same, partly, different (blind)',
  },
  { where: 'Review', keys: ['u'], does: 'take the last review back' },
  { where: 'Suite', keys: ['p'], does: 'pause or continue the run' },
  { where: 'In a field', keys: [' enter'], does: 'send it; with Shift a new line' },
  { where: 'In a field', keys: [' escape'], does: 'leave it, for the keys above' },
  {
    where: 'In a figure or text',
    keys: [' left', ' right'],
    does: 'read it value by value, or token by token',
  },
  { where: 'In a figure or text', keys: [' home', ' end'], does: 'its first and last value' },
]

const shown: Readonly<Record<string, string>> = {
  left: '←',
  right: '→',
  up: '↑',
  down: '↓',
  enter: 'Enter',
  escape: 'Esc',
  home: 'Home',
  end: 'End',
}

/** The keys of a chord as they are printed: "g m" is g, m. */
export const printed = (chord: string): string[] =>
  chord
    .trim()
    .split(' ')
    .map((key) => (key === 'mod' ? modifier() : (shown[key] ?? key)))

/** ⌘ where keyboards have one, else Ctrl. */
export const modifier = (): string => (/Mac|iP(hone|ad|od)/.test(navigator.platform) ? '⌘' : 'Ctrl')
