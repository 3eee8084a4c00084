/** The teaching path: look at a latent, guess what it stands for, try to prove the guess wrong, steer with it. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { lessonQuery } from '../api/lessonQuery.ts'
import { latentQuery, workspaceQuery } from '../api/queries.ts'
import { middleSaes } from '../format/lessonLatents.ts'
import { latentKey, latentName, parseLatentKey } from '../format/names.ts'
import { Caveats, LearnBasics } from '../parts/LearnBasics.tsx'
import { Lesson } from '../parts/Lesson.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { freshLesson, useProgress } from '../state/lesson.ts'

/** The learning view. */
export function Learn() {
  const search = useSearch({ from: '/learn' })
  const navigate = useNavigate({ from: '/learn' })
  const [progress, setProgress] = useProgress()
  const { data: workspace, error, refetch } = useQuery(workspaceQuery)
  const all = workspace?.suites.flatMap(({ saes }) => saes) ?? []
  const here = (key: string | undefined) => {
    const parts = parseLatentKey(key)
    return parts && all.some(({ id }) => id === parts.sae) ? parts : undefined
  }
  const suites = workspace?.suites.filter(({ saes }) => middleSaes(saes).length > 0) ?? []
  const suite = workspace?.suites.find(({ name }) => name === search.suite) ?? suites[0]
  const lessons = useQuery(lessonQuery(suite?.saes ?? []))
  const left = lessons.data?.filter((key) => !progress.finished.includes(key)) ?? []

  // What the address names; else what was begun, unless another suite is asked for; else the first not yet finished.
  const begun = progress.lesson?.latent
  const fits = search.suite === undefined || begun?.startsWith(`${search.suite}~`)
  const key =
    search.latent ?? (fits && here(begun) ? begun : undefined) ?? left[0] ?? lessons.data?.[0]
  const at = here(key)
  const lesson = begun === key && progress.lesson ? progress.lesson : freshLesson(key ?? '')
  const latent = useQuery({
    ...latentQuery(at?.sae ?? '', at?.index ?? 0),
    enabled: at !== undefined,
  })
  const sae = all.find(({ id }) => id === at?.sae)
  const next = left.find((other) => other !== key)

  const go = (to: string | undefined) => {
    setProgress({
      finished: progress.finished,
      ...(to === undefined ? {} : { lesson: freshLesson(to) }),
    })
    void navigate({
      search: ({ latent: _, ...old }) => (to === undefined ? old : { ...old, latent: to }),
      replace: true,
      resetScroll: false,
    })
  }
  return (
    <main className="page learn">
      <h1>Learn to read a latent</h1>
      <p className="lead">
        What a sparse autoencoder is, in five minutes; then one of its latents, from a first look to
        steering with it.
      </p>
      {suites.length > 1 && (
        <label className="quiet">
          suite{' '}
          <select
            value={suite?.name}
            onChange={(e) =>
              void navigate({
                search: { suite: e.target.value },
                replace: true,
                resetScroll: false,
              })
            }
          >
            {suites.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
            {suite && !suites.includes(suite) && <option>{suite.name}</option>}
          </select>
        </label>
      )}
      {error && !workspace && <Failure error={error} onRetry={() => void refetch()} />}
      {workspace && <LearnBasics workspace={workspace} sae={sae} />}
      {workspace && lessons.isError && <Failure error={lessons.error} />}
      {latent.error && <Failure error={latent.error} onRetry={() => void latent.refetch()} />}
      {workspace && search.latent !== undefined && !at && (
        <Notice
          action={
            <button type="button" onClick={() => go(undefined)}>
              Choose one for me
            </button>
          }
        >
          There is no dictionary here that holds the latent {search.latent}.
        </Notice>
      )}
      {workspace && key === undefined && !lessons.isLoading && !lessons.isError && (
        <Notice>
          {suite && suites.includes(suite) ? (
            <>
              The latents of {suite.name} have too few examples to learn on: they were indexed on
              little text. <code>hooke index</code> reads more of it.
            </>
          ) : (
            <>
              No latent {suite ? `of ${suite.name}` : 'of this workspace'} can be read yet: the
              examples come with the index. <code>hooke demo</code> makes a suite with everything,{' '}
              <code>hooke index</code> indexes one that is trained. This page fills when it is
              there.
            </>
          )}
        </Notice>
      )}
      <div className="learn-columns">
        {at && latent.data && (
          <Lesson
            key={key}
            latent={latent.data}
            lesson={lesson}
            n_finished={progress.finished.length}
            onLesson={(changed) => {
              const done = changed.step === 'done' ? [latentKey(at.sae, at.index)] : []
              setProgress({
                lesson: changed,
                finished: [...new Set([...progress.finished, ...done])],
              })
            }}
            onNext={next === undefined ? undefined : () => go(next)}
            onRestart={() => go(key)}
            name={latentName(latent.data.hook, latent.data.index)}
          />
        )}
        {((at && !latent.data && !latent.error) || lessons.isLoading) && (
          <div className="lesson-waiting" aria-busy="true" />
        )}
        <Caveats sae={sae} />
      </div>
      {progress.finished.length > 0 && (
        <p className="quiet">
          {progress.finished.length === 1 ? 'One latent' : `${progress.finished.length} latents`}{' '}
          finished, remembered in this browser.{' '}
          <button
            type="button"
            className="action"
            onClick={() => {
              setProgress({ finished: [] })
              void navigate({ search: ({ latent: _, ...old }) => old, replace: true })
            }}
          >
            forget all and start over
          </button>
        </p>
      )}
    </main>
  )
}
