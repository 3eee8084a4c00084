/** Classes of words that a reader names at once: closed classes of English, shapes, endings. */

/** What a class looks at: the word at the peak and how it stands in its sentence. */
type ClassInput = {
  readonly text: string
  readonly lower: string
  readonly starts_sentence: boolean
  readonly stands_apart: boolean
}

export type WordClass = {
  readonly name: string
  /** Shows its most frequent members after the name. */
  readonly examples: boolean
  readonly holds: (word: ClassInput) => boolean
}

export const QUOTE = /^["“”„«»]$/

const list = (words: string) => new Set(words.split(' '))
const oneOf = (name: string, words: string): WordClass => {
  const members = list(words)
  return { name, examples: true, holds: ({ lower }) => members.has(lower) }
}
const shape = (name: string, pattern: RegExp, examples = true): WordClass => ({
  name,
  examples,
  holds: ({ text }) => pattern.test(text),
})
const ending = (suffix: string, shortest: number): WordClass => ({
  name: `words in -${suffix}`,
  examples: true,
  holds: ({ lower }) =>
    lower.length >= shortest && lower.endsWith(suffix) && /^\p{L}+$/u.test(lower),
})

/** Narrow before wide: the first that covers enough wins. */
export const WORD_CLASSES: readonly WordClass[] = [
  shape('new line', /^\n+$/, false),
  shape('full stop', /^\.$/, false),
  shape('comma', /^,$/, false),
  shape('question mark', /^\?$/, false),
  shape('exclamation mark', /^!$/, false),
  shape('semicolon or colon', /^[;:]$/, false),
  {
    name: 'opening quotation mark',
    examples: false,
    holds: ({ text, stands_apart }) => QUOTE.test(text) && stands_apart,
  },
  {
    name: 'closing quotation mark',
    examples: false,
    holds: ({ text, stands_apart }) => QUOTE.test(text) && !stands_apart,
  },
  shape('quotation marks', /^["'“”‘’«»]+$/),
  shape('dashes', /^[-–—]+$/),
  shape('brackets', /^[()[\]{}]+$/, false),
  shape('ends of sentences', /^[.!?…]+["'”’)]*$/),
  shape('punctuation', /^[^\p{L}\p{N}]+$/u),
  shape('years', /^(1[5-9]|20)\d\d$/),
  shape('numbers', /^\p{N}[\p{N}.,]*(st|nd|rd|th)?$/u),
  oneOf(
    'number words',
    'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million',
  ),
  oneOf('subject pronouns', 'i he she they we you it'),
  oneOf('possessives', 'my his her their our your its'),
  oneOf('object pronouns', 'me him her them us you it'),
  oneOf('reflexives', 'myself himself herself themselves ourselves yourself itself'),
  oneOf(
    'pronouns',
    'i he she they we you it me him her them us my his their our your its himself herself',
  ),
  oneOf('articles', 'the a an'),
  oneOf('determiners', 'the a an this that these those some any no every each all both another'),
  oneOf('question words', 'who what which when where why how whose whom'),
  oneOf('modal verbs', 'would could should might may must can will shall'),
  oneOf('forms of “be”', 'be am is are was were been being'),
  oneOf('forms of “have”', 'have has had having'),
  oneOf(
    'auxiliary verbs',
    'be am is are was were been have has had do does did would could should might may must can will',
  ),
  oneOf(
    'negation',
    "not no never nothing nobody none nor n't don't didn't wasn't couldn't wouldn't isn't can't hadn't",
  ),
  oneOf('conjunctions', 'and but or nor so yet because although though while if as than'),
  oneOf(
    'prepositions of place',
    'in on at under over above below behind between beside inside outside across through along around near into onto',
  ),
  oneOf(
    'prepositions',
    'of in on at to from by with for about under over above below behind between beside inside outside across through along around near into onto off up down out after before against without until towards upon',
  ),
  oneOf(
    'verbs of saying',
    'said says say asked told replied answered cried called whispered shouted explained added',
  ),
  oneOf('days', 'monday tuesday wednesday thursday friday saturday sunday'),
  oneOf(
    'months',
    'january february march april may june july august september october november december',
  ),
  oneOf(
    'times of day and year',
    'morning evening afternoon night noon midnight dawn dusk day spring summer autumn winter today tomorrow yesterday tonight',
  ),
  oneOf(
    'spans of time',
    'second seconds minute minutes hour hours day days week weeks month months year years century centuries',
  ),
  oneOf(
    'colours',
    'red blue green yellow black white grey gray brown pink purple orange golden silver',
  ),
  oneOf(
    'family',
    'mother father sister brother grandmother grandfather aunt uncle daughter son wife husband child children parents cousin',
  ),
  oneOf(
    'parts of the body',
    'hand hands eye eyes face head arm arms foot feet leg legs finger fingers mouth hair back shoulder shoulders heart knee knees ear ears nose',
  ),
  {
    name: 'beginnings of sentences',
    examples: true,
    holds: ({ starts_sentence, text }) => starts_sentence && /^\p{Lu}/u.test(text),
  },
  {
    name: 'names',
    examples: true,
    holds: ({ starts_sentence, text }) => !starts_sentence && /^\p{Lu}\p{Ll}/u.test(text),
  },
  shape('capitalised words', /^\p{Lu}/u),
  ending('ing', 5),
  ending('ed', 4),
  ending('ly', 4),
  ending('tion', 6),
  ending('ness', 6),
  ending('est', 5),
  shape('words with a hyphen', /^\p{L}+(-\p{L}+)+$/u),
  shape('possessive ’s', /^\p{L}+['’]s$/u),
]

/** Words too common to say what a text is about. */
export const FUNCTION_WORDS: ReadonlySet<string> = list(
  `the a an and or but nor so yet of in on at to from by with for about as than that this these those it its he she they we you i his her their our your my me him them us who whom whose which what when where why how is are was were be been being am have has had having do does did doing would could should might may must can will shall not no never only just also very more most much many some any all each every both few other another such same one two if then there here into onto over under out up down off through after before again until because while though although between against without within upon toward towards said s t d ll m re ve don't didn't it's`,
)
