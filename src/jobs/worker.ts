/** A job's thread: runs the pipeline, passes on what it reports, pauses and stops when told. Started by thread.ts only. */
import { parentPort, workerData } from 'node:worker_threads'
import { Gate } from './hold.ts'
import { runPipeline } from './pipeline.ts'
import type { FromWorker, ToWorker, WorkerJob } from './protocol.ts'

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
  const { config } = workerData as WorkerJob
  await runPipeline(config, {
    report: (event) => send({ type: 'event', event }),
    signal: stop.signal,
    hold: () => gate.pass(),
  })
  send({ type: 'done' })
} catch (error) {
  if (stop.signal.aborted) send({ type: 'stopped' })
  else send({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
}
port.close()
