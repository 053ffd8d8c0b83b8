/** What holds for any bytes in any pieces: the same is understood, and nothing makes an end throw, hang or grow. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  data,
  describeFrames,
  frame,
  get,
  literals,
  ping,
  post,
  preface,
  requestBlock,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { clientEnd, pair, Recorder, serverEnd } from '../../../../test/support/h2-pair.ts';
import { flag, frameType } from './frame.ts';
import type { H2Stream } from './stream.ts';

/** Sends back what it gets. */
function echo(stream: H2Stream): Recorder {
  return new Recorder((event, recorder) => {
    if (event === 'head') stream.sendResponse(200, ['content-type', 'text/plain'], false);
    if (event === 'data') stream.sendData(recorder.body.at(-1)!, false);
    if (event === 'trailers') stream.sendTrailers(recorder.headers.at(-1)!);
    else if (recorder.ended) stream.end();
  });
}

const block = requestBlock('POST', '/long', ['x', 'y'.repeat(300)]);
/** A bit of everything a client may send. */
const conversation: readonly Buffer[] = [
  preface,
  get(1, '/a'),
  settings(3, 50, 4, 70_000, 0x99, 1),
  post(3, '/b', ['content-length', '5']),
  data(3, 'hel'),
  frame(frameType.headers, flag.endStream, 5, block.subarray(0, 20)),
  frame(frameType.continuation, 0, 5, block.subarray(20, 21)),
  frame(frameType.continuation, flag.endHeaders, 5, block.subarray(21)),
  data(3, 'lo', flag.endStream),
  ping(),
  post(7),
  frame(frameType.data, flag.padded, 7, Buffer.from('\x04data\0\0\0\0', 'latin1')),
  frame(frameType.priority, 0, 9, Buffer.concat([uint32(1), Buffer.of(3)])),
  windowUpdate(7, 100),
  windowUpdate(0, 1000),
  data(7, Buffer.alloc(16_384, 'z')),
  frame(0xee, 0xff, 77, Buffer.alloc(100)),
  frame(frameType.headers, 5, 7, literals(['checksum', '1'])),
  frame(
    frameType.headers,
    0x2d,
    9,
    Buffer.concat([Buffer.of(2), uint32(3), Buffer.of(9), requestBlock(), Buffer.alloc(2)]),
  ),
  post(11),
  rstStream(11),
  frame(frameType.settings, flag.ack, 0),
  ping(flag.ack),
];
const bytes = Buffer.concat(conversation);

/** What a server understood and answered. */
function understood(pieces: readonly Buffer[]): unknown {
  const { connection, output, around, events } = serverEnd({}, echo);
  connection.start();
  for (const piece of pieces) connection.receive(piece);
  around.flushes.run();
  const requests = events.recorders.map(({ log, text, headers }) => ({
    log: log.filter((line) => !line.startsWith('data')),
    text,
    headers,
  }));
  const answered = new Map<number, number>();
  const lines = describeFrames(output.take()).filter((line) => {
    const [type, stream, size] = line.split(' ');
    if (type === 'data') answered.set(Number(stream), (answered.get(Number(stream)) ?? 0) + Number(size));
    return type !== 'data';
  });
  // Streams that wait for the next tick end after others; each for itself is the same.
  return { requests, log: events.log.sort(), lines: lines.sort(), answered: [...answered] };
}

function cut(whole: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((ratio) => Math.floor(ratio * whole.length)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, i) => whole.subarray(start, ends[i] ?? whole.length));
}

describe('bytes are understood alike', () => {
  const expected = understood([bytes]);

  test('which is what was meant', () => {
    const { requests, log } = expected as { requests: { log: string[]; text: string }[]; log: string[] };
    assert.deepEqual(
      requests.map(({ log }) => log),
      [
        ['head GET http mesh /a end'],
        ['head POST http mesh /b'],
        ['head POST http mesh /long end'],
        ['head POST http mesh /', 'trailers checksum 1 end'],
        ['head GET http mesh / end'],
        ['head POST http mesh /', 'reset 8 peer http2.remote_reset'],
      ],
    );
    assert.equal(requests[1]!.text, 'hello');
    assert.equal(requests[3]!.text, `data${'z'.repeat(16_384)}`);
    assert.deepEqual(log, ['over 1', 'over 11', 'over 3', 'over 5', 'over 7', 'over 9']);
  });

  test('one by one', () => {
    assert.deepEqual(understood(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))), expected);
  });

  test('in two pieces, cut anywhere', () => {
    const near = (at: number): boolean => at < 900 || at > bytes.length - 400;
    for (let at = 0; at < bytes.length; at++) {
      if (near(at))
        assert.deepEqual(understood([bytes.subarray(0, at), bytes.subarray(at)]), expected, `at ${at}`);
    }
  });

  test('in any pieces', () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 40 });
    fc.assert(
      fc.property(cuts, (at) => assert.deepEqual(understood(cut(bytes, at)), expected)),
      { numRuns: 300 },
    );
  });
});

describe('whatever two ends do', () => {
  /** What a client does with one request. */
  const request = fc.record({
    pieces: fc.array(fc.nat({ max: 40_000 }), { maxLength: 5 }),
    trailers: fc.boolean(),
    /** Stops reading after so many bytes; goes on when all else is done. */
    pauseAfter: fc.option(fc.nat({ max: 100_000 })),
    reset: fc.option(fc.nat({ max: 60_000 }), { freq: 5 }),
  });
  const windows = fc.constantFrom(0, 65_535, 70_001, 1_000_000);
  const scenario = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 12 }),
    clientWindow: windows,
    serverWindow: windows,
    connectionWindow: windows,
    splits: fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 8 }),
  });

  test('every body arrives as it was sent, and nothing is left', () => {
    fc.assert(
      fc.property(scenario, ({ requests, clientWindow, serverWindow, connectionWindow, splits }) => {
        let turn = 0;
        const ends = pair({
          client: { initialStreamWindowSize: clientWindow, initialConnectionWindowSize: connectionWindow },
          server: { initialStreamWindowSize: serverWindow, streamBufferBytes: 50_000 },
          handler: echo,
          split: () => splits[turn++ % splits.length]!,
          delayMs: 1,
        });
        const sent = requests.map(({ pieces, trailers, pauseAfter, reset }, nth) => {
          const recorder = new Recorder((_, { bytes, stream }) => {
            if (pauseAfter !== null && bytes >= pauseAfter) stream!.pause();
            if (reset !== null && bytes >= reset) stream!.reset();
          });
          const { stream } = ends.post(`/${nth}`, [], recorder);
          const body = pieces.map((size, i) => Buffer.alloc(size, 97 + ((nth + i) % 26)));
          for (const piece of body) stream!.sendData(piece, false);
          if (trailers) stream!.sendTrailers(['nth', String(nth)]);
          else stream!.end();
          return { recorder, text: Buffer.concat(body).toString('latin1'), trailers, reset };
        });
        ends.run();
        for (const { recorder } of sent) recorder.stream!.resume();
        for (let left = 0; left < 20 && ends.client.connection.streamsActive > 0; left++) {
          for (const { recorder } of sent) recorder.stream!.resume();
          ends.run();
        }
        for (const [nth, { recorder, text, trailers, reset }] of sent.entries()) {
          if (reset !== null && recorder.stream!.closed && !recorder.ended) {
            assert.ok(text.startsWith(recorder.text));
            continue;
          }
          assert.equal(recorder.text, text);
          assert.equal(recorder.ended, true);
          assert.deepEqual(
            recorder.headers.at(-1),
            trailers ? ['nth', String(nth)] : ['content-type', 'text/plain'],
          );
        }
        assert.equal(ends.client.connection.streamsActive, 0);
        assert.equal(ends.server.connection.streamsActive, 0);
        assert.equal(ends.around.wheel.size, 0);
        assert.deepEqual([ends.client.connection.closed, ends.server.connection.closed], [false, false]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('hostile bytes', () => {
  const MAX_ANSWER = 40;
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    kind: fc.constantFrom('set', 'insert', 'delete', 'repeat'),
    value: fc.integer({ min: 0, max: 255 }),
    count: fc.integer({ min: 1, max: 30 }),
  });
  const spoilt = fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let whole = bytes;
    for (const { at, kind, value, count } of changes) {
      // The long body takes most of the bytes and none of the interest.
      const position = Math.floor(at * at * whole.length);
      const [before, after] = [whole.subarray(0, position), whole.subarray(position)];
      if (kind === 'set') whole = Buffer.concat([before, Buffer.of(value), after.subarray(1)]);
      else if (kind === 'insert') whole = Buffer.concat([before, Buffer.alloc(count, value), after]);
      else if (kind === 'delete') whole = Buffer.concat([before, after.subarray(count)]);
      else whole = Buffer.concat([before, after.subarray(0, count), after]);
    }
    return whole;
  });
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 5 });

  test('that were a conversation', () => {
    fc.assert(
      fc.property(spoilt, cuts, (whole, at) => {
        const { connection, output, around, events } = serverEnd({}, echo);
        connection.start();
        for (const piece of cut(whole, at)) connection.receive(piece);
        around.flushes.run();
        assert.ok(describeFrames(output.take()).length <= conversation.length + MAX_ANSWER);
        assert.ok(
          events.log.every((line) => !line.startsWith('error')),
          events.log.join('\n'),
        );
        connection.onEnd();
        assert.equal(connection.streamsActive, 0);
        assert.equal(around.wheel.size, 0);
      }),
      { numRuns: 3000 },
    );
  });

  test('at random behind the preface', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (random, at) => {
        const { connection, output, around } = serverEnd({}, echo);
        connection.start();
        for (const piece of cut(Buffer.concat([preface, random]), at)) connection.receive(piece);
        around.flushes.run();
        describeFrames(output.take());
      }),
      { numRuns: 2000 },
    );
  });

  test('of well-formed frames in any order', () => {
    const anyFrame = fc.record({
      type: fc.integer({ min: 0, max: 10 }),
      flags: fc.constantFrom(0, 1, 4, 5, 8, 9, 0x20, 0x2d, 255),
      streamId: fc.constantFrom(0, 1, 2, 3, 5, 7, 9, 0x7fffffff),
      payload: fc.oneof(
        fc.constantFrom(
          requestBlock(),
          literals(['a', 'b']),
          uint32(1),
          uint32(0x7fffffff),
          Buffer.alloc(8),
          Buffer.alloc(5),
        ),
        fc.uint8Array({ maxLength: 20 }).map((random) => Buffer.from(random)),
      ),
    });
    const frames = fc.array(anyFrame, { maxLength: 25 });
    fc.assert(
      fc.property(frames, cuts, fc.boolean(), (list, at, toClient) => {
        const all = list.map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload));
        const options = { streamErrorOnInvalidHttpMessage: true };
        const end = toClient ? clientEnd(options) : serverEnd(options, echo);
        end.connection.start();
        if ('open' in end.connection) {
          for (let i = 0; i < 3; i++) {
            end.connection.open(new Recorder()).sendRequest('GET', 'http', 'mesh', '/', '', [], true);
          }
        }
        const start = toClient ? settings() : preface;
        for (const piece of cut(Buffer.concat([start, ...all]), at)) end.connection.receive(piece);
        end.around.flushes.run();
        assert.ok(describeFrames(end.output.take()).length <= 3 * all.length + MAX_ANSWER);
        end.connection.onEnd();
        assert.equal(end.connection.streamsActive, 0);
      }),
      { numRuns: 3000 },
    );
  });

  test('do not grow a connection that stays', () => {
    const { connection, output, around } = serverEnd(
      { streamErrorOnInvalidHttpMessage: true, streamResetBurst: 20_000 },
      echo,
    );
    connection.start();
    connection.receive(preface);
    const start = (): number => {
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    let early = 0;
    for (let id = 1; id < 60_000; id += 2) {
      connection.receive(
        Buffer.concat([
          post(id),
          data(id, 'abc', id % 3 === 0 ? 0 : flag.endStream),
          windowUpdate(0, 3),
          ping(),
        ]),
      );
      if (id % 3 === 0) connection.receive(rstStream(id));
      around.flushes.run();
      output.take();
      around.clock.advance(1);
      if (id === 20_001) early = start();
    }
    assert.equal(connection.closed, false);
    assert.equal(connection.streamsActive, 0);
    if (globalThis.gc !== undefined) assert.ok(start() - early < 2_000_000);
  });
});
