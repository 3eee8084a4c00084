/** A job's thread: does the work, passes on what it reports, pauses and stops when told. Started by thread.ts only. */
import { parentPort, workerData } from 'node:worker_threads'
import { askInWords } from './askInWords.ts'
import { Gate } from './hold.ts'
import { runPipeline } from './pipeline.ts'
import type { FromWorker, JobEvent, ToWorker, WorkerJob } from './protocol.ts'

const port = parentPort
if (port === null) throw new Error('jobs/worker.ts runs as a worker thread only; call runInThread')
const send = (message: FromWorker): void => port.postMessage(message)
const stop = new AbortController()
const gate = new Gate(() => send({ type: 'paused' }))
port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'pause':
      return gate.shut()
    case 'resume':
      return gate.open()
    case 'stop':
      // Aborted first: what waited at the gate then finds that it is to stop.
      stop.abort()
      return gate.open()
    default:
      message.type satisfies never
  }
})

try {
  const job = workerData as WorkerJob
  const report = (event: JobEvent) => send({ type: 'event', event })
  const options = { report, signal: stop.signal, hold: () => gate.pass() }
  if ('config' in job) {
    await runPipeline(job.config, options)
    send({ type: 'done' })
  } else send({ type: 'done', message: await askInWords(job, options) })
} catch (error) {
  if (stop.signal.aborted) send({ type: 'stopped' })
  else send({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
}
port.close()
