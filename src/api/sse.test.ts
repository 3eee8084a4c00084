import { expect, test } from 'vitest'
import { readEvents, SseParser } from './sse.ts'

const stream =
  ': hello\n\nevent: run\nid: 3\ndata: {"a":1}\n\ndata: two\r\ndata:lines\r\n\r\nretry: 10\n\ndata: ü\r\rdata: cut'

test('data lines of an event are joined, and all else is skipped', () => {
  expect(new SseParser().push(stream)).toEqual(['{"a":1}', 'two\nlines', 'ü'])
})

test('the events are the same wherever the stream is cut', () => {
  for (let cut = 0; cut <= stream.length; cut++) {
    const parser = new SseParser()
    const events = [...parser.push(stream.slice(0, cut)), ...parser.push(stream.slice(cut))]
    expect(events, `cut at ${cut}`).toEqual(['{"a":1}', 'two\nlines', 'ü'])
  }
})

test('a response is read event by event, though a character is split between two chunks', async () => {
  const bytes = new TextEncoder().encode('data: {"piece":"é"}\n\ndata: {"piece":"b"}\n\n')
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  const pieces: string[] = []
  for await (const event of readEvents<{ piece: string }>(new Response(body)))
    pieces.push(event.piece)
  expect(pieces).toEqual(['é', 'b'])
})
