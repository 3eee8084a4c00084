/** The texts of a steering run side by side: which tokens differ, how likely each was, and perplexity beside the text. */
import { type KeyboardEvent, useMemo, useState } from 'react'
import type { SteerSide } from '../../../src/api/index.ts'
import { visiblePiece } from '../format/names.ts'
import { percent, short } from '../format/numbers.ts'
import { diffTokens } from '../format/tokenDiff.ts'
import {
  perplexity,
  type SteerRun,
  type SteerToken,
  type SteerTurnRun,
  sides,
} from '../state/steering.ts'
import { Failure } from './Notice.tsx'
import { Term } from './Term.tsx'

const names = { default: 'default', steered: 'steered', prompted: 'prompted' } as const

/** All turns of a run, or the empty columns of one that is still to come. */
export function SteerTexts(props: {
  run: SteerRun
  /** Shown where nothing has run yet. */
  prompt: string
  chat: boolean
  prompted: boolean
}) {
  const { run, chat } = props
  const isIdle = run.turns.length === 0
  const coming: SteerTurnRun = { prompt: props.prompt, default: [], steered: [], prompted: [] }
  const turns = isIdle ? (chat ? [] : [coming]) : run.turns
  const last = run.turns.at(-1)
  return (
    <div className="steer-texts" aria-busy={run.state === 'running'}>
      {turns.map((turn, i) => (
        <Turn
          // biome-ignore lint/suspicious/noArrayIndexKey: a turn is its position
          key={i}
          turn={turn}
          chat={chat}
          isIdle={isIdle}
          shown={sides.filter(
            (side) => side !== 'prompted' || props.prompted || turn.prompted.length > 0,
          )}
        />
      ))}
      {run.error !== undefined && <Failure error={run.error} />}
      <p className="quiet side-note" role="status">
        {run.state === 'running' && last?.default.length === 0 && 'Waiting for the model.'}
        {run.state === 'stopped' && 'Stopped.'}
        {run.state === 'done' && last && differenceWords(last)}
      </p>
    </div>
  )
}

function Turn(props: {
  turn: SteerTurnRun
  shown: readonly SteerSide[]
  chat: boolean
  isIdle: boolean
}) {
  const { turn, shown } = props
  const changed = useMemo(() => {
    const pieces = (side: SteerSide) => turn[side].map((token) => token.piece)
    const plain = pieces('default')
    const steered = diffTokens(plain, pieces('steered'))
    return {
      default: steered.a,
      steered: steered.b,
      prompted: turn.prompted.length > 0 ? diffTokens(plain, pieces('prompted')).b : [],
    }
  }, [turn])
  return (
    <div className={`turn of-${shown.length}`}>
      {props.chat && (
        <p className="said">
          <span className="field-name">You</span>
          {turn.prompt}
        </p>
      )}
      {shown.map((side) => (
        <section key={side} className={`side ${side}`} aria-label={`${names[side]} text`}>
          <header>
            <h2>{names[side]}</h2>
            <span className="quiet">
              {turn[side].length > 0 && (
                <>
                  {turn[side].length} tokens
                  {perplexity(turn[side]) !== undefined && (
                    <>
                      , <Term of="perplexity">perplexity</Term> {short(perplexity(turn[side]))}
                    </>
                  )}
                </>
              )}
            </span>
          </header>
          {props.isIdle ? (
            <p className="side-text quiet">{turn.prompt} …</p>
          ) : (
            <SideText
              side={side}
              lead={props.chat ? '' : turn.prompt}
              tokens={turn[side]}
              changed={changed[side]}
            />
          )}
        </section>
      ))}
    </div>
  )
}

function differenceWords(turn: SteerTurnRun): string {
  const { b: changed } = diffTokens(
    turn.default.map((t) => t.piece),
    turn.steered.map((t) => t.piece),
  )
  const n = changed.filter(Boolean).length
  return n === 0
    ? 'The two texts are the same: try a greater strength, or more tokens to change.'
    : `${n} of ${changed.length} steered tokens differ, marked above. Same seed on every side.`
}

/** A token in the running text: its line breaks break the line, all else that is invisible is shown. */
const shownText = ({ piece, text = piece.replaceAll('↵', '\n') }: SteerToken) =>
  text
    .split('\n')
    .map((part) => (part === '' ? '' : visiblePiece(part)))
    .join('\n')

function SideText(props: {
  side: SteerSide
  lead: string
  tokens: readonly SteerToken[]
  changed: readonly boolean[]
}) {
  const { tokens, side } = props
  const [at, setAt] = useState<number>()
  const token = at === undefined ? undefined : tokens[at]
  const onKeyDown = (event: KeyboardEvent) => {
    const last = tokens.length - 1
    const from = at ?? (event.key === 'ArrowRight' ? -1 : last + 1)
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key]
    if (event.key === 'Escape' && at !== undefined) setAt(undefined)
    else if (to !== undefined && last >= 0) setAt(Math.min(last, Math.max(0, to)))
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const slider = {
    role: 'slider',
    tabIndex: 0,
    'aria-label': `Token of the ${names[side]} text`,
    'aria-valuemin': 1,
    'aria-valuemax': tokens.length,
    'aria-valuenow': (at ?? 0) + 1,
    'aria-valuetext': token ? oddsWords(side, token) : 'none chosen',
    onKeyDown,
  }
  return (
    <>
      <p
        className="side-text"
        onPointerLeave={(e) => e.pointerType === 'mouse' && setAt(undefined)}
      >
        <span className="quiet">{props.lead}</span>
        {tokens.map((t, i) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: a token is its position
            key={i}
            className={[props.changed[i] && 'differs', i === at && 'read']
              .filter(Boolean)
              .join(' ')}
            onPointerEnter={(e) => e.pointerType === 'mouse' && setAt(i)}
            onPointerDown={() => setAt(i)}
          >
            {shownText(t)}
          </span>
        ))}
      </p>
      {tokens.length > 0 && (
        <div className="token-odds quiet" {...slider}>
          {token ? oddsWords(side, token) : 'point at a token, or ← →'}
        </div>
      )}
    </>
  )
}

/** How likely a token was, under its own side and under the model as it is. */
function oddsWords(side: SteerSide, { piece, logprob, plain_logprob: plain }: SteerToken): string {
  const own = `“${visiblePiece(piece)}” ${percent(Math.exp(logprob))}`
  if (side === 'default') return `${own} likely (${short(logprob)} nats)`
  if (plain === undefined) return `${own} likely when ${side} (${short(logprob)} nats)`
  return `${own} likely when ${side}, ${percent(Math.exp(plain))} by default (${short(logprob)} and ${short(plain)} nats)`
}
