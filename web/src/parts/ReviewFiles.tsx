/** The labels of a suite to a file and from one, in both forms that `hooke labels` knows. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { SaeSummary } from '../../../src/api/index.ts'
import { api, labelsAt } from '../api/client.ts'
import { keys } from '../api/queries.ts'
import { siteName } from '../format/names.ts'
import { count } from '../format/numbers.ts'
import { readLines } from '../format/readLines.ts'
import { saveFile } from '../state/saveFile.ts'
import { siteIndexAt } from '../state/site.ts'
import { Failure } from './Notice.tsx'

/** Escaped for the request it stays below what the server takes. */
const mostBytes = 20 * 2 ** 20

/** Folded until it is wanted. */
export function ReviewFiles(props: { suite: string; saes: readonly SaeSummary[] }) {
  if (siteIndexAt !== undefined) return null
  return (
    <details className="label-files">
      <summary>Export or import labels</summary>
      <div className="label-files-body">
        <Export suite={props.suite} />
        <Import key={props.suite} {...props} />
      </div>
    </details>
  )
}

function Export({ suite }: { suite: string }) {
  const theirs = useMutation({
    mutationFn: () => api.exportLabels({ suite, format: 'neuronpedia' }),
    onSuccess: (lines) => saveFile(`${suite}-labels-neuronpedia.jsonl`, lines, 'text/plain'),
  })
  return (
    <section aria-label="Export labels">
      <h2>Export</h2>
      <p className="quiet">Every label in force, one JSON object a line.</p>
      <ul>
        <li>
          <a href={labelsAt(suite)} download>
            Hooke’s form
          </a>{' '}
          <span className="quiet">with evidence, scores, dates and votes</span>
        </li>
        <li>
          <button
            type="button"
            className="action"
            disabled={theirs.isPending}
            onClick={() => theirs.mutate()}
          >
            Neuronpedia’s form
          </button>{' '}
          <span className="quiet">its explanations; scores and votes have no place there</span>
        </li>
      </ul>
      {theirs.error && <Failure error={theirs.error} />}
    </section>
  )
}

function Import({ suite, saes }: { suite: string; saes: readonly SaeSummary[] }) {
  const client = useQueryClient()
  const [file, setFile] = useState<File>()
  const [sae, setSae] = useState('')
  const enter = useMutation({
    mutationFn: async (from: File) => {
      const lines = await readLines(from, mostBytes)
      const about = sae === '' ? {} : { sae }
      return { name: from.name, ...(await api.importLabels({ suite, lines, ...about })) }
    },
    // The server tells every other view; the queue is asked again here only, so that nobody loses their place by it.
    onSuccess: () => client.invalidateQueries({ queryKey: keys.review }),
  })
  return (
    <form
      aria-label="Import labels"
      onSubmit={(event) => {
        event.preventDefault()
        if (file && !enter.isPending) enter.mutate(file)
      }}
    >
      <h2>Import</h2>
      <p className="quiet">
        JSON lines in either form, also packed (.gz), up to {mostBytes / 2 ** 20} MiB; longer ones
        by <code>hooke labels import</code>. Labels enter under the names of their authors; where a
        line is bad, none does.
      </p>
      <div className="label-files-row">
        <input
          type="file"
          aria-label="File of labels"
          accept=".jsonl,.ndjson,.json,.txt,.gz"
          onChange={(event) => {
            setFile(event.target.files?.[0])
            enter.reset()
          }}
        />
        <label>
          about{' '}
          <select value={sae} onChange={(event) => setSae(event.target.value)}>
            <option value="">the SAE that each line names</option>
            {saes.map(({ id, hook, d_sae }) => (
              <option key={id} value={id}>
                {siteName(hook)}, {count(d_sae)} latents
              </option>
            ))}
          </select>
        </label>
        <button type="submit" disabled={!file || enter.isPending}>
          {enter.isPending ? 'Importing…' : 'Import'}
        </button>
      </div>
      <p role="status">{enter.data && report(enter.data)}</p>
      {enter.error && <Failure error={enter.error} />}
    </form>
  )
}

/** What an import did, in words. */
function report(done: { name: string; n_lines: number; n_labels: number; n_votes: number }) {
  const { name, n_lines, n_labels, n_votes } = done
  if (n_lines === 0) return `${name} holds no line.`
  const new_ones = `${count(n_labels)} labels and ${count(n_votes)} votes entered`
  const others = n_labels < n_lines ? '; the others were here already' : ''
  return `${name}: ${count(n_lines)} lines read, ${new_ones}${others}.`
}
