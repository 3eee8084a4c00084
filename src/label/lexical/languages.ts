/** Languages other than English, told by their smallest words. */

const SIGNS: Readonly<Record<string, string>> = {
  German:
    'der die das und ist nicht ein eine einen dem den des mit sich auf für von zu im ich sie er wir auch als war',
  French:
    'le la les des une et est dans que qui pas sur pour avec il elle nous vous du au ce cette était je',
  Spanish: 'el los las una y es en que por con para su no del al lo se más como pero era',
  Italian: 'il lo gli una è che di per con non sono del della nel si più come ma era',
  Portuguese: 'o os as uma é em que por com para não do da no na se mais como mas era',
  Dutch: 'de het een en is niet van te dat op met voor zijn aan ik hij ze wij maar was',
  Latin: 'et in est non cum ad ut sed qui quod ex de per hic erat sunt esse enim',
}

/** A window needs this many different small words of a language. */
const LEAST_WORDS = 3

/** The languages that a word belongs to. */
const languages = new Map<string, string[]>()
for (const [name, words] of Object.entries(SIGNS))
  for (const word of words.split(' ')) languages.set(word, [...(languages.get(word) ?? []), name])

/** The language to which the words of a window (lower case) belong more than to any other listed; undefined where to none. */
export function languageOf(context: ReadonlySet<string>): string | undefined {
  const counts = new Map<string, number>()
  for (const word of context)
    for (const name of languages.get(word) ?? []) counts.set(name, (counts.get(name) ?? 0) + 1)
  let best: string | undefined
  for (const name of Object.keys(SIGNS)) {
    const n = counts.get(name) ?? 0
    if (n >= LEAST_WORDS && n > (best === undefined ? 0 : counts.get(best)!)) best = name
  }
  return best
}
