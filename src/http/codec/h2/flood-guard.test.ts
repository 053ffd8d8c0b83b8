/** Every limit on what a peer may make us do or keep: what is let through, what is not, and what is counted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { type End, Recorder, serverEnd } from '../../../../test/support/h2-pair.ts';
import { flag, frameType } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2ServerConnection } from './server-connection.ts';

const { endStream, endHeaders } = flag;

function started(options: Partial<H2Options> = {}, answer = false): End<H2ServerConnection> {
  const end = serverEnd(options, (stream) => {
    return new Recorder((event) => {
      if (answer && event === 'head') stream.sendResponse(204, [], true);
    });
  });
  end.connection.start();
  end.connection.receive(preface);
  return end;
}

/** Receives `bytes` one after the other, a tick each. @returns how many were read before the connection ended */
function feed(end: End<H2ServerConnection>, count: number, bytes: (nth: number) => Buffer): number {
  for (let i = 0; i < count; i++) {
    end.connection.receive(bytes(i));
    end.around.flushes.run();
    if (end.connection.closed) return i;
  }
  return count;
}

const empty = Buffer.alloc(0);

describe('a flood ends the connection', () => {
  const rows: {
    readonly of: string;
    /** Absent: the owner counts. */
    readonly counter?: string;
    readonly allowed: number;
    readonly options?: Partial<H2Options>;
    readonly before?: Buffer;
    readonly each: (nth: number) => Buffer;
  }[] = [
    {
      of: 'DATA with nothing in it',
      counter: 'inbound_empty_frames_flood',
      allowed: 1,
      before: post(1),
      each: () => data(1, ''),
    },
    {
      of: 'DATA with nothing but padding',
      counter: 'inbound_empty_frames_flood',
      allowed: 3,
      options: { maxConsecutiveInboundFramesWithEmptyPayload: 3 },
      before: post(1),
      each: () => frame(0, flag.padded, 1, Buffer.of(2, 0, 0)),
    },
    {
      of: 'CONTINUATION with nothing in it',
      counter: 'inbound_empty_frames_flood',
      allowed: 1,
      before: frame(frameType.headers, 0, 1, requestBlock()),
      each: () => frame(frameType.continuation, 0, 1),
    },
    {
      of: 'CONTINUATION with little in it',
      counter: 'continuation_flood',
      allowed: 143,
      before: frame(frameType.headers, 0, 1, requestBlock()),
      each: () => frame(frameType.continuation, 0, 1, literals(['a', ''])),
    },
    {
      of: 'CONTINUATION with much in it',
      counter: 'continuation_flood',
      allowed: 2,
      options: { maxHeaderListBytes: 16_384 },
      before: frame(frameType.headers, 0, 1, requestBlock()),
      each: () => frame(frameType.continuation, 0, 1, Buffer.alloc(16_384)),
    },
    {
      of: 'PRIORITY',
      counter: 'inbound_priority_frames_flood',
      allowed: 10,
      options: { maxInboundPriorityFramesPerStream: 5 },
      before: post(1),
      each: () => frame(2, 0, 1, Buffer.alloc(5)),
    },
    {
      of: 'WINDOW_UPDATE',
      counter: 'inbound_window_update_frames_flood',
      allowed: 7,
      before: post(1),
      each: () => windowUpdate(0, 1),
    },
    { of: 'PING', counter: 'inbound_control_flood', allowed: 4999, each: () => ping() },
    { of: 'SETTINGS', counter: 'inbound_control_flood', allowed: 4999, each: () => settings() },
    {
      of: 'GOAWAY',
      counter: 'inbound_control_flood',
      allowed: 4999,
      each: () => frame(7, 0, 0, Buffer.alloc(8)),
    },
    {
      of: 'RST_STREAM for a stream that is over',
      counter: 'inbound_control_flood',
      allowed: 5000,
      options: { streamResetBurst: 10_000 },
      before: Buffer.concat([get(1), rstStream(1)]),
      each: () => rstStream(1),
    },
    {
      of: 'requests that are reset at once',
      allowed: 249,
      each: (nth) => Buffer.concat([get(2 * nth + 1), rstStream(2 * nth + 1)]),
    },
    {
      of: 'requests whose client makes us reset them',
      allowed: 249,
      each: (nth) => Buffer.concat([post(2 * nth + 1, '/', ['content-length', '0']), data(2 * nth + 1, 'x')]),
    },
    {
      of: 'requests beyond the streams allowed',
      allowed: 249,
      options: { maxConcurrentStreams: 1 },
      before: post(1),
      each: (nth) => get(2 * nth + 3),
    },
  ];
  for (const { of, counter, allowed, options, before, each } of rows) {
    test(`of ${of}, after ${allowed}`, () => {
      const end = started(options);
      end.connection.receive(before ?? empty);
      assert.equal(feed(end, allowed + 100, each), allowed);
      if (counter !== undefined) assert.equal(end.events.counts.get(counter), 1);
      assert.match(end.events.log.find((line) => line.startsWith('fault')) ?? '', /^fault 11 /);
      assert.ok(!describeFrames(end.output.take()).some((line) => line.startsWith('goAway')));
      assert.equal(end.output.ended, true);
    });
  }
});

test('a client may reset 1,000 streams at once, and some more a second', () => {
  const end = started({ prematureResetStreams: 1e9 });
  const cancel = (nth: number): Buffer => Buffer.concat([post(2 * nth + 1), rstStream(2 * nth + 1)]);
  assert.equal(feed(end, 1000, cancel), 1000);
  end.around.clock.advance(1000);
  assert.equal(
    feed(end, 100, (nth) => cancel(1000 + nth)),
    33,
  );
  assert.equal(describeFrames(end.output.take()).at(-1), 'goAway 0 2067 internalError');
});

describe('a peer that does not read', () => {
  test('may have 1,000 control frames waiting', () => {
    const end = started();
    end.around.flushes.run();
    end.output.stuck = true;
    assert.equal(
      feed(end, 2000, () => ping()),
      1000,
    );
    assert.equal(end.events.counts.get('outbound_control_flood'), 1);
  });

  test('may have 10,000 frames waiting', () => {
    const end = started({ maxConcurrentStreams: 20_000 }, true);
    end.around.flushes.run();
    end.output.stuck = true;
    assert.equal(
      feed(end, 11_000, (nth) => get(2 * nth + 1)),
      10_000,
    );
    assert.equal(end.events.counts.get('outbound_flood'), 1);
  });

  test('is forgiven when it has read', () => {
    const end = started();
    end.around.flushes.run();
    for (let round = 0; round < 4; round++) {
      end.output.stuck = true;
      assert.equal(
        feed(end, 900, () => ping()),
        900,
      );
      end.output.release();
    }
  });

  test('takes no data: it stays in its stream, which is full then', () => {
    const end = serverEnd({ streamBufferBytes: 10_000 }, (stream) => {
      return new Recorder((event) => {
        if (event === 'head') stream.sendResponse(200, [], false);
      });
    });
    end.connection.start();
    end.connection.receive(Buffer.concat([preface, get(1)]));
    end.around.flushes.run();
    end.output.take();
    end.output.full = true;
    const [recorder] = end.events.recorders;
    const stream = recorder!.stream!;
    stream.sendData(Buffer.alloc(6000), false);
    assert.equal(stream.full, false);
    stream.sendData(Buffer.alloc(6000), false);
    assert.equal(stream.full, true);
    assert.equal(stream.queuedBytes, 12_000);
    end.around.flushes.run();
    assert.deepEqual(describeFrames(end.output.take()), []);
    end.output.full = false;
    end.connection.onWritable();
    assert.deepEqual(describeFrames(end.output.take()), ['data 1 12000']);
    assert.equal(recorder!.log.at(-1), 'drain');
  });
});

describe('no flood are', () => {
  const rows: [what: string, count: number, bytes: (nth: number) => Buffer][] = [
    ['PINGs beside requests', 20_000, (nth) => Buffer.concat([get(2 * nth + 1), ping()])],
    ['small pieces of a body', 20_000, (nth) => (nth === 0 ? post(1) : data(1, 'x'))],
    ['empty frames between others', 2000, (nth) => (nth === 0 ? post(1) : data(1, nth % 2 ? '' : 'x'))],
    [
      'requests reset after their answer',
      1000,
      (nth) => Buffer.concat([get(2 * nth + 1), rstStream(2 * nth + 1)]),
    ],
  ];
  for (const [what, count, bytes] of rows) {
    test(what, () => assert.equal(feed(started({}, true), count, bytes), count));
  }

  test('PINGs now and then on a connection that stays', () => {
    const end = started();
    const each = (): Buffer => {
      end.around.clock.advance(100);
      return ping();
    };
    assert.equal(feed(end, 20_000, each), 20_000);
  });

  test('requests reset after a while', () => {
    const end = started();
    const each = (nth: number): Buffer => {
      if (nth % 2 === 0) return get(nth + 1);
      end.around.clock.advance(1001);
      return rstStream(nth);
    };
    assert.equal(feed(end, 4000, each), 4000);
  });
});

test('a block in many frames is read where it is not too much', () => {
  const end = started();
  const block = requestBlock('GET', '/', ['a', 'b'.repeat(50_000)]);
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += 1000) {
    const last = at + 1000 >= block.length ? endHeaders : 0;
    parts.push(frame(at === 0 ? 1 : 9, at === 0 ? endStream : last, 1, block.subarray(at, at + 1000)));
  }
  end.connection.receive(Buffer.concat(parts));
  assert.deepEqual(end.events.recorders[0]?.log, ['head GET http mesh / end']);
});
