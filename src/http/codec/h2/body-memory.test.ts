import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  describeFrames,
  get,
  post,
  preface,
  rstStream,
  settings,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import {
  Recorder,
  serverEnd,
  surroundings,
  type TestSurroundings,
} from '../../../../test/support/h2-pair.ts';
import { BodyMemory, MAX_HELD_BYTES, MAX_QUEUED_BYTES } from './body-memory.ts';
import type { H2Stream } from './stream.ts';

const limited = (bytes: number): TestSurroundings => ({ ...surroundings(), memory: new BodyMemory(bytes) });

/** A server whose streams are paused as they begin. */
function paused(around: TestSurroundings, ...more: Parameters<typeof serverEnd>[0][]) {
  const streams: H2Stream[] = [];
  const end = serverEnd(
    more[0] ?? {},
    (stream) => {
      streams.push(stream);
      stream.pause();
      return new Recorder();
    },
    around,
  );
  end.connection.start();
  const said = (...frames: Buffer[]): string[] => {
    end.connection.receive(Buffer.concat(frames));
    around.flushes.run();
    return describeFrames(end.output.take());
  };
  said(preface, settings());
  return { ...end, streams, said };
}

describe('what came and is not read', () => {
  test('is held until it is read, or its stream is over', () => {
    const around = surroundings();
    const { streams, said, connection } = paused(around);
    said(post(1), data(1, 'x'.repeat(1000)), post(3), data(3, 'x'.repeat(500)), post(5), data(5, 'x'));
    assert.equal(around.memory.bytes, 1501);
    streams[0]!.resume();
    assert.equal(around.memory.bytes, 501);
    said(data(1, 'x'.repeat(1000)));
    assert.equal(around.memory.bytes, 501);
    streams[0]!.pause();
    assert.equal(around.memory.bytes, 2501, 'what was not given back by a WINDOW_UPDATE counts again');
    said(rstStream(3));
    assert.equal(around.memory.bytes, 2001);
    streams[2]!.reset();
    assert.equal(around.memory.bytes, 2000);
    connection.destroy();
    assert.equal(around.memory.bytes, 0);
  });

  test('is no more than the limit: streams that get more are reset, others go on, none begins', () => {
    const around = limited(1000);
    const { streams, said, events } = paused(around);
    said(post(1), data(1, 'x'.repeat(600)), post(3), post(5));
    streams[2]!.resume();
    assert.deepEqual(said(data(3, 'x'.repeat(600))), ['rstStream 3 enhanceYourCalm']);
    assert.equal(around.memory.bytes, 600);
    said(data(1, 'x'.repeat(399)));
    assert.deepEqual(said(data(1, 'x')), ['rstStream 1 enhanceYourCalm']);
    assert.equal(events.counts.get('body_memory_overflow'), 2);
    assert.deepEqual(said(data(5, 'x'.repeat(2000))), [], 'one that is read');
    around.memory.bytes += 1000;
    assert.deepEqual(said(get(7)), ['rstStream 7 refusedStream']);
    assert.equal(events.counts.get('stream_refused_errors'), 1);
    around.memory.bytes -= 1000;
    said(post(9));
    assert.equal(streams.length, 4);
  });

  test('on one connection stops the connection beyond its own limit, until some is read', () => {
    const around = surroundings();
    const window = 2 ** 30;
    const { streams, said } = paused(around, {
      initialStreamWindowSize: window,
      initialConnectionWindowSize: MAX_HELD_BYTES * 2,
    });
    const frame = data(1, 'x'.repeat(16_384));
    said(post(1));
    for (let sent = 0; sent < MAX_HELD_BYTES * 2; sent += 16_384) {
      const answer = said(frame);
      if (sent >= MAX_HELD_BYTES) assert.deepEqual(answer, [], `after ${sent}`);
    }
    streams[0]!.resume();
    around.flushes.run();
    assert.deepEqual(said().filter((line) => line.startsWith('windowUpdate 0')).length, 1);
  });
});

describe('what waits to be sent', () => {
  const shut = [settings(4, 0)];

  test('counts until it is sent, or its stream is over', () => {
    const around = surroundings();
    const { streams, said } = paused(around);
    said(...shut, get(1), get(3));
    for (const stream of streams) {
      stream.sendResponse(200, [], false);
      stream.sendData(Buffer.alloc(5000), false);
    }
    assert.equal(around.memory.bytes, 10_000);
    said(windowUpdate(1, 3000));
    assert.equal(around.memory.bytes, 7000);
    said(rstStream(3));
    assert.equal(around.memory.bytes, 2000);
    said(windowUpdate(1, 3000));
    assert.equal(around.memory.bytes, 0);
  });

  test('on one connection: a stream that has something to send gets no more beyond its limit', () => {
    const around = surroundings();
    const { streams, said } = paused(around, { streamBufferBytes: MAX_QUEUED_BYTES });
    said(...shut, get(1), get(3), get(5));
    for (const stream of streams) stream.sendResponse(200, [], false);
    const [one, two, three] = streams as [H2Stream, H2Stream, H2Stream];
    one.sendData(Buffer.alloc(MAX_QUEUED_BYTES / 2), false);
    two.sendData(Buffer.alloc(MAX_QUEUED_BYTES / 2), false);
    assert.deepEqual([one.full, two.full, three.full], [true, true, false]);
    said(windowUpdate(1, MAX_QUEUED_BYTES), windowUpdate(0, MAX_QUEUED_BYTES));
    assert.deepEqual([one.full, two.full, three.full], [false, false, false]);
  });

  test('over all connections: a stream that has something to send gets no more', () => {
    const around = limited(10_000);
    const { streams, said } = paused(around);
    said(...shut, get(1));
    streams[0]!.sendResponse(200, [], false);
    streams[0]!.sendData(Buffer.alloc(5000), false);
    assert.equal(streams[0]!.full, false);
    around.memory.bytes += 5000;
    assert.equal(streams[0]!.full, true);
  });
});
