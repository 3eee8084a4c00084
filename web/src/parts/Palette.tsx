/** Go to anything: views, latents, suites, and what can be done here. A dialog with a combobox over one list. */
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import { useWhenReady } from '../state/whenReady.ts'
import { type Command, useCommands } from './paletteCommands.tsx'

/** The palette while it is open; it closes itself by `onClose`. */
export function Palette(props: { onClose: () => void; onTheme: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const { commands, waiting, error } = useCommands(text, props)
  const chosen = Math.min(at, commands.length - 1)

  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal()
  }, [])
  useEffect(() => {
    list.current
      ?.querySelector('[aria-selected="true"]')
      ?.scrollIntoView({ block: chosen === 0 ? 'end' : 'nearest' })
  }, [chosen])

  const take = (command: Command | undefined) => {
    if (!command) return
    // Closed first: the focus goes back to the page, and the command may move it on.
    dialog.current?.close()
    command.run()
  }
  const enter = useWhenReady(text, !(waiting && commands[chosen]?.stale), () =>
    take(commands[chosen]),
  )
  const onKeyDown = (event: KeyboardEvent) => {
    const last = commands.length - 1
    if (event.key === 'ArrowDown') setAt(chosen >= last ? 0 : chosen + 1)
    else if (event.key === 'ArrowUp') setAt(chosen <= 0 ? last : chosen - 1)
    else if (event.key === 'PageDown') setAt(Math.min(last, chosen + 8))
    else if (event.key === 'PageUp') setAt(Math.max(0, chosen - 8))
    else if (event.key === 'Enter' && !event.nativeEvent.isComposing) enter()
    else return
    event.preventDefault()
  }
  const groups = [...Map.groupBy(commands, ({ group }) => group)]
  return (
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Go to anything"
      onClose={props.onClose}
      // A press beside it closes it; the dialog itself has no padding, so what is inside hits a child.
      onPointerDown={(e) => e.target === e.currentTarget && e.currentTarget.close()}
    >
      <div className="palette-body">
        <div className="palette-head">
          <input
            type="text"
            role="combobox"
            className="palette-field"
            aria-label="Go to"
            aria-expanded={commands.length > 0}
            aria-controls={`${id}-list`}
            aria-autocomplete="list"
            aria-activedescendant={commands[chosen] ? `${id}-${chosen}` : undefined}
            autoComplete="off"
            spellCheck={false}
            placeholder="a view, a word of a label, layer/index, an action"
            value={text}
            onChange={(e) => {
              setText(e.target.value)
              setAt(0)
            }}
            onKeyDown={onKeyDown}
          />
          <button type="button" className="action" onClick={() => dialog.current?.close()}>
            close
          </button>
        </div>
        <div
          ref={list}
          id={`${id}-list`}
          className="palette-list"
          role="listbox"
          aria-label="Found"
        >
          {groups.map(([group, members], g) => (
            // biome-ignore lint/a11y/useSemanticElements: a group of options is no fieldset
            <div key={group} role="group" aria-labelledby={`${id}-group-${g}`}>
              <p id={`${id}-group-${g}`} className="palette-group" role="presentation">
                {group}
              </p>
              {members.map((command) => {
                const i = commands.indexOf(command)
                return (
                  <button
                    key={command.id}
                    type="button"
                    id={`${id}-${i}`}
                    role="option"
                    aria-selected={i === chosen}
                    tabIndex={-1}
                    onPointerMove={(e) => e.pointerType === 'mouse' && setAt(i)}
                    onClick={() => take(command)}
                  >
                    <span className="palette-words">{command.shown ?? command.words}</span>
                    <span className="palette-keys">
                      {command.keys?.map((key) => (
                        <kbd key={key}>{key}</kbd>
                      ))}
                    </span>
                  </button>
                )
              })}
            </div>
          ))}
        </div>
        <p className="palette-note quiet" role="status">
          {error
            ? error.message
            : commands.length === 0
              ? waiting
                ? 'Searching …'
                : 'Nothing of this name.'
              : '↑ ↓ choose, Enter goes there, Esc closes'}
        </p>
      </div>
    </dialog>
  )
}
