/** fetch, for servers that are not trusted to be brief. */

/** More than the vectors of 400 texts, or the odds of an answer's tokens, take. */
const MOST_BYTES = 2 ** 25

/** Fetches; a body of more than 32 MiB, which would be held in memory whole, ends in a RangeError. */
export const boundedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  let n_bytes = 0
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      n_bytes += chunk.byteLength
      if (n_bytes <= MOST_BYTES) controller.enqueue(chunk)
      else controller.error(new RangeError(`the answer is longer than ${MOST_BYTES >> 20} MiB`))
    },
  })
  return response.body ? new Response(response.body.pipeThrough(counted), response) : response
}
