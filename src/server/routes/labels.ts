/** Labels by people: set, withdrawn, brought back, voted on; all of them as a file. Nothing is overwritten. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { TypedResponse } from 'hono'
import { stream } from 'hono/streaming'
import { Label, LabelsImported, NewLabel, NewVote, SaeId } from '../../api/index.ts'
import { exportLabels, importLabels, LABEL_FORMATS, suiteNames } from '../../jobs/index.ts'
import { addLabel, retireLabel, undoLabel, voteOnLabel } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem, notFound } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const MAX_ID = 2 ** 31 - 1
const byId = { params: z.object({ id: z.coerce.number().int().min(0).max(MAX_ID) }) }

const addRoute = createRoute({
  method: 'post',
  path: '/api/saes/{sae}/latents/{index}/labels',
  request: {
    params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }),
    body: jsonBody(NewLabel),
  },
  responses: answers(Label, 'The label as kept'),
})

const retireRoute = createRoute({
  method: 'delete',
  path: '/api/labels/{id}',
  request: byId,
  responses: answers(Label, 'The label, withdrawn'),
})

const undoRoute = createRoute({
  method: 'post',
  path: '/api/labels/{id}/undo',
  request: byId,
  responses: answers(z.array(Label), 'All labels of its latent, its last change taken back'),
})

const voteRoute = createRoute({
  method: 'post',
  path: '/api/labels/{id}/votes',
  request: { ...byId, body: jsonBody(NewVote) },
  responses: answers(Label, 'The label with its votes'),
})

const { 200: _json, ...problems } = answers(Label, '')
const exportRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}/labels.jsonl',
  request: {
    params: z.object({ suite: z.string() }),
    query: z.object({ format: z.enum(LABEL_FORMATS).default('hooke') }),
  },
  responses: {
    ...problems,
    200: {
      description: 'The labels in force, one JSON object a line',
      content: { 'text/plain': { schema: z.string() } },
    },
  },
})

const importRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/labels',
  request: {
    params: z.object({ suite: z.string() }),
    body: jsonBody(
      z.object({
        /** JSON lines as they were exported, in either form. */
        lines: z.string(),
        /** The SAE that every line is about, whatever it names. */
        sae: SaeId.optional(),
      }),
    ),
  },
  responses: answers(LabelsImported, 'What was new'),
})

/** Where files of labels are taken. */
export const LABELS_PATH = /^\/api\/suites\/[^/]+\/labels$/

export function addLabelRoutes(app: OpenAPIHono, { db, hub, suites }: ServerContext): void {
  app.openapi(addRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const { text, author } = c.req.valid('json')
    const sae = await suites.sae(id)
    if (index >= sae.d_sae)
      throw new HttpProblem(404, `${sae.hook} has latents 0 to ${sae.d_sae - 1}, not ${index}`)
    const label = await addLabel(db, {
      sae: id,
      latent: index,
      text,
      method: 'manual',
      author,
      evidence: 'written by hand',
    })
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(label, 200)
  })

  app.openapi(retireRoute, async (c) => {
    const { id } = c.req.valid('param')
    const label = await retireLabel(db, id)
    if (!label) throw notFound(`there is no label ${id}`)
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(label, 200)
  })

  app.openapi(undoRoute, async (c) => {
    const { id } = c.req.valid('param')
    const labels = await undoLabel(db, id)
    if (!labels) throw notFound(`there is no label ${id}`)
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(labels, 200)
  })

  app.openapi(voteRoute, async (c) => {
    const { id } = c.req.valid('param')
    const { author, vote } = c.req.valid('json')
    const agrees = { agree: true, dispute: false, none: undefined }[vote]
    const label = await voteOnLabel(db, id, { author, agrees })
    if (!label) throw notFound(`there is no label ${id}`)
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(label, 200)
  })

  app.openapi(exportRoute, async (c) => {
    const { suite, info } = await suites.named(c.req.valid('param').suite)
    const { format } = c.req.valid('query')
    const names = await suiteNames(info.folder)
    const [nameless] = names.nameless
    if (format === 'neuronpedia' && nameless)
      throw new HttpProblem(
        409,
        `${names.nameless.size} of ${names.saes.size} SAEs have no name in Neuronpedia’s form: ${nameless.join(': ')}. Take Hooke’s form, which holds all, or \`hooke labels export --format neuronpedia\`, which leaves those out.`,
      )
    const lines = exportLabels(db, names, format)
    const file = encodeURIComponent(`${suite}-labels.jsonl`)
    c.header('Content-Type', 'text/plain; charset=utf-8')
    c.header('Content-Disposition', `attachment; filename*=UTF-8''${file}`)
    const answer = stream(c, async (out) => {
      for await (const line of lines) {
        if (out.aborted) return
        await out.write(line)
      }
    })
    // The types know text only as one string.
    return answer as typeof answer & TypedResponse<string, 200, 'text'>
  })

  /** A file is held in memory as text and as labels: one at a time. */
  let importing = false
  app.openapi(importRoute, async (c) => {
    const { suite, info } = await suites.named(c.req.valid('param').suite)
    const { lines, sae } = c.req.valid('json')
    const names = await suiteNames(info.folder)
    if (sae !== undefined && !names.saes.has(sae))
      throw notFound(`there is no SAE ${JSON.stringify(sae)} in ${suite}`)
    if (importing)
      throw new HttpProblem(
        503,
        'another file of labels is being read; wait for it, then try again',
      )
    importing = true
    try {
      const done = await importLabels(db, names, { file: 'The file', text: lines, sae })
      if (done.n_labels + done.n_votes > 0) hub.publish({ type: 'changed', what: 'labels' })
      return c.json(done, 200)
    } finally {
      importing = false
    }
  })
}
