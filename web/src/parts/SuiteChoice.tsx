/** Which suite a view is about; nothing where there is only one. */
export function SuiteChoice(props: {
  suites: readonly string[]
  suite: string | undefined
  onSuite: (suite: string) => void
}) {
  if (props.suites.length < 2) return null
  return (
    <select
      aria-label="Suite"
      value={props.suite ?? ''}
      onChange={(e) => props.onSuite(e.target.value)}
    >
      {props.suites.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  )
}
