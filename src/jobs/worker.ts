/** A job's thread: runs the pipeline, passes on what it reports, stops when told. Started by thread.ts only. */
import { parentPort, workerData } from 'node:worker_threads'
import { runPipeline } from './pipeline.ts'
import type { FromWorker, ToWorker, WorkerJob } from './protocol.ts'

const port = parentPort
if (port === null) throw new Error('jobs/worker.ts runs as a worker thread only; call runInThread')
const send = (message: FromWorker): void => port.postMessage(message)
const stop = new AbortController()
port.on('message', (message: ToWorker) => {
  if (message.type === 'stop') stop.abort()
})

try {
  const { config } = workerData as WorkerJob
  await runPipeline(config, {
    report: (event) => send({ type: 'event', event }),
    signal: stop.signal,
  })
  send({ type: 'done' })
} catch (error) {
  if (stop.signal.aborted) send({ type: 'stopped' })
  else send({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
}
port.close()
