/** What a server answers to single frames: states, sizes and identifiers (RFC 9113 §5, §6, §8). */
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
  uint32,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { Recorder, serverEnd } from '../../../../test/support/h2-pair.ts';
import { errorCode, flag, frameType } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2Stream } from './stream.ts';

const settingsAck = frame(4, flag.ack, 0);
const { endStream, endHeaders, padded, priority, ack } = flag;
const { headers, continuation, rstStream: reset } = frameType;

/** Answers at the end of the request; never where the path is `/open`. */
function answering(stream: H2Stream): Recorder {
  return new Recorder((_, { ended, log }) => {
    if (ended && !log[0]!.includes('/open')) stream.sendResponse(204, [], true);
  });
}

/** @returns the frames after the first SETTINGS and their acknowledgement */
function exchange(bytes: readonly Buffer[], options: Partial<H2Options> = {}): string[] {
  const { connection, output, around } = serverEnd(options, answering);
  connection.start();
  connection.receive(Buffer.concat([preface, ...bytes]));
  around.flushes.run();
  return describeFrames(output.take()).slice(2);
}

const answered = 'headers 1 end';

describe('a server answers', () => {
  const rows: [what: string, bytes: Buffer[], expected: string[]][] = [
    ['a request', [get(1)], [answered]],
    ['a request with a body', [post(1), data(1, 'x'), data(1, '', endStream)], [answered]],
    ['a request with trailers', [post(1), frame(headers, 5, 1, literals(['a', 'b']))], [answered]],
    ['PING', [ping()], ['ping 0 ack']],
    ['the answer to a PING with nothing', [ping(ack)], []],
    ['SETTINGS', [settings(3, 100)], ['settings 0 ack']],
    ['SETTINGS it does not know', [settings(0xff, 1)], ['settings 0 ack']],
    ['a frame it does not know with nothing', [frame(0xbe, 0xff, 0, Buffer.alloc(8)), get(1)], [answered]],
    ['PRIORITY with nothing', [frame(2, 0, 1, Buffer.alloc(5)), get(1)], [answered]],
    ['PRIORITY on itself with nothing', [frame(2, 0, 1, Buffer.of(0, 0, 0, 1, 9)), get(1)], [answered]],
    ['HEADERS of a stream that is over with nothing', [get(1), get(1)], [answered]],
    ['HEADERS of a stream that was passed over with nothing', [get(5), get(3)], ['headers 5 end']],
    ['DATA of a stream that is over with nothing', [get(1), data(1, 'x')], [answered]],
    [
      'what comes for a stream that the client itself reset with nothing',
      [post(1, '/open'), rstStream(1), data(1, 'x'), get(1), ping()],
      ['ping 0 ack'],
    ],
    ['GOAWAY by going on', [frame(7, 0, 0, Buffer.alloc(8)), get(1)], [answered]],
    [
      'a padded request',
      [frame(headers, 13, 1, Buffer.concat([Buffer.of(3), requestBlock(), Buffer.alloc(3)]))],
      [answered],
    ],
    ['padded DATA', [post(1), frame(0, padded | endStream, 1, Buffer.of(3, 65, 0, 0, 0))], [answered]],
    ['DATA that is all padding', [post(1), frame(0, padded | endStream, 1, Buffer.of(2, 0, 0))], [answered]],
    [
      'a request with priority',
      [frame(headers, 5 | priority, 1, Buffer.concat([Buffer.alloc(5), requestBlock()]))],
      [answered],
    ],
    [
      'a head in three frames',
      [
        frame(headers, endStream, 1, requestBlock().subarray(0, 5)),
        frame(continuation, 0, 1, requestBlock().subarray(5, 9)),
        frame(continuation, endHeaders, 1, requestBlock().subarray(9)),
      ],
      [answered],
    ],
  ];
  for (const [what, bytes, expected] of rows) test(what, () => assert.deepEqual(exchange(bytes), expected));
});

describe('one stream is ended by', () => {
  const stream: Partial<H2Options> = { streamErrorOnInvalidHttpMessage: true };
  const rows: [what: string, bytes: Buffer[], code: string, options?: Partial<H2Options>][] = [
    [
      'DATA that content-length did not promise',
      [post(1, '/', ['content-length', '1']), data(1, 'xy')],
      'protocolError',
    ],
    [
      'less DATA than content-length promised',
      [post(1, '/', ['content-length', '3']), data(1, 'xy', endStream)],
      'protocolError',
    ],
    [
      'an end where content-length promised DATA',
      [get(1, '/', ['content-length', '3'])],
      'protocolError',
      stream,
    ],
    [
      'trailers where content-length promised DATA',
      [post(1, '/', ['content-length', '3']), frame(headers, 5, 1, literals(['a', 'b']))],
      'protocolError',
      stream,
    ],
    [
      'trailers that are not the end',
      [post(1), frame(headers, 4, 1, literals(['a', 'b']))],
      'protocolError',
      stream,
    ],
    [
      'a pseudo-header field in trailers',
      [post(1), frame(headers, 5, 1, literals([':path', '/']))],
      'protocolError',
      stream,
    ],
    ['an upper-case name', [get(1, '/', ['A', 'b'])], 'protocolError', stream],
    ['a field of the connection', [get(1, '/', ['connection', 'close'])], 'protocolError', stream],
    [':protocol that was not allowed', [get(1, '/', [':protocol', 'x'])], 'protocolError', stream],
    ['too many fields', [get(1, '/', ['a', ''], ['b', ''])], 'internalError', { maxHeaderFields: 5 }],
    ['too long a head', [get(1, '/', ['a', 'b'.repeat(100)])], 'internalError', { maxHeaderListBytes: 100 }],
  ];
  for (const [what, bytes, code, options] of rows) {
    test(what, () => {
      const lines = exchange([...bytes, ping()], options).filter((line) => line !== answered);
      assert.deepEqual(lines, [`rstStream 1 ${code}`, 'ping 0 ack']);
    });
  }
});

test('one stream more than may be open is refused, until one of them is over', () => {
  const bytes = [post(1), post(3), data(1, '', endStream), post(5)];
  assert.deepEqual(exchange(bytes, { maxConcurrentStreams: 1 }), ['rstStream 3 refusedStream', answered]);
});

describe('the connection is ended by', () => {
  const rows: [what: string, bytes: Buffer[], code: string, options?: Partial<H2Options>][] = [
    ['a frame that is too large', [frame(0xbe, 0, 0, Buffer.alloc(16_385))], 'frameSizeError'],
    ['DATA without a stream', [data(0, 'x')], 'protocolError'],
    ['DATA of a stream that was never opened', [data(1, 'x')], 'protocolError'],
    ['PRIORITY of a wrong size', [post(1), frame(2, 0, 1, Buffer.alloc(4))], 'frameSizeError'],
    ['DATA after the end', [post(1, '/open'), data(1, 'x', endStream), data(1, 'x')], 'streamClosed'],
    ['RST_STREAM of a wrong size', [post(1), frame(reset, 0, 1, Buffer.alloc(3))], 'frameSizeError'],
    ['SETTINGS of a wrong size', [frame(4, 0, 0, Buffer.alloc(5))], 'frameSizeError'],
    ['an acknowledgement with a payload', [frame(4, ack, 0, Buffer.alloc(6))], 'frameSizeError'],
    [
      'a window of a stream that SETTINGS make too large',
      [post(1), windowUpdate(1, 2 ** 30), settings(4, 2 ** 30)],
      'flowControlError',
    ],
    ['PING of a wrong size', [frame(6, 0, 0, Buffer.alloc(7))], 'frameSizeError'],
    ['GOAWAY of a wrong size', [frame(7, 0, 0, Buffer.alloc(7))], 'frameSizeError'],
    ['WINDOW_UPDATE of a wrong size', [frame(8, 0, 0, Buffer.alloc(3))], 'frameSizeError'],
    ['CONTINUATION of nothing', [get(1), frame(continuation, 4, 1)], 'protocolError'],
    [
      'CONTINUATION of another stream',
      [frame(headers, 1, 1, requestBlock()), frame(continuation, 4, 3)],
      'protocolError',
    ],
    ['a frame within a head', [frame(headers, 1, 1, requestBlock()), ping()], 'protocolError'],
    ['padding longer than DATA', [post(1), frame(0, padded, 1, Buffer.of(2, 0))], 'protocolError'],
    ['padding longer than HEADERS', [frame(headers, 13, 1, Buffer.of(5, 0x82))], 'protocolError'],
    ['DATA without its padding length', [post(1), frame(0, padded, 1)], 'frameSizeError'],
    ['HEADERS without their padding length', [frame(headers, 13, 1)], 'frameSizeError'],
    ['HEADERS without their priority', [frame(headers, 5 | priority, 1, Buffer.alloc(4))], 'frameSizeError'],
    [
      'a block that cannot be decoded',
      [frame(headers, 5, 1, Buffer.of(0xff, 0xff, 0xff))],
      'compressionError',
    ],
  ];
  for (const [what, bytes, code, options] of rows) {
    test(what, () => {
      const lines = exchange([...bytes, ping()], options);
      assert.match(lines.at(-1) ?? '', new RegExp(`^goAway 0 \\d+ ${code}$`));
      assert.ok(!lines.includes('ping 0 ack'), 'nothing is read after it');
    });
  }

  test('anything but the preface', () => {
    const { connection, output, around, events } = serverEnd();
    connection.start();
    connection.receive(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    around.flushes.run();
    assert.deepEqual(describeFrames(output.take()).slice(1), []);
    assert.deepEqual(events.log.slice(1), ['closed']);
    assert.equal(output.ended, true);
  });

  test('a first frame that is not SETTINGS', () => {
    const { connection, output } = serverEnd();
    connection.start();
    connection.receive(Buffer.concat([preface.subarray(0, 24), ping()]));
    assert.equal(describeFrames(output.take()).at(-1), 'goAway 0 0 protocolError');
  });

  test('a first frame that acknowledges SETTINGS', () => {
    const { connection, output } = serverEnd();
    connection.start();
    connection.receive(Buffer.concat([preface.subarray(0, 24), settingsAck]));
    assert.equal(describeFrames(output.take()).at(-1), 'goAway 0 0 protocolError');
  });
});

describe('the connection is ended without a word by', () => {
  const rows: [what: string, bytes: Buffer[], code: string, options?: Partial<H2Options>][] = [
    ['HEADERS without a stream', [get(0)], 'protocolError'],
    ['HEADERS of an even stream', [get(2)], 'protocolError'],
    ['RST_STREAM without a stream', [rstStream(0)], 'protocolError'],
    ['RST_STREAM of a stream that was never opened', [rstStream(1)], 'protocolError'],
    ['SETTINGS on a stream', [frame(4, 0, 1)], 'protocolError'],
    ['ENABLE_PUSH of 2', [settings(2, 2)], 'protocolError'],
    ['INITIAL_WINDOW_SIZE of 2^31', [settings(4, 2 ** 31)], 'flowControlError'],
    ['MAX_FRAME_SIZE of 16,383', [settings(5, 16_383)], 'protocolError'],
    ['MAX_FRAME_SIZE of 2^24', [settings(5, 2 ** 24)], 'protocolError'],
    ['ENABLE_CONNECT_PROTOCOL of 2', [settings(8, 2)], 'protocolError'],
    ['ENABLE_CONNECT_PROTOCOL taken back', [settings(8, 1, 8, 0)], 'protocolError'],
    ['PUSH_PROMISE', [frame(5, 4, 1, Buffer.concat([uint32(2), requestBlock()]))], 'protocolError'],
    ['PING on a stream', [frame(6, 0, 1, Buffer.alloc(8))], 'protocolError'],
    ['GOAWAY on a stream', [frame(7, 0, 1, Buffer.alloc(8))], 'protocolError'],
    ['WINDOW_UPDATE of nothing', [windowUpdate(0, 0)], 'protocolError'],
    ['WINDOW_UPDATE of a stream that was never opened', [windowUpdate(1, 1)], 'protocolError'],
    ['a window that is too large', [windowUpdate(0, 0x7fffffff)], 'flowControlError'],
    ['an invalid message, by default', [get(1, '/', ['A', 'b'])], 'protocolError'],
    ['HEADERS after the end', [post(1, '/open'), data(1, '', endStream), get(1)], 'streamClosed'],
    ['WINDOW_UPDATE of nothing on a stream', [post(1), windowUpdate(1, 0)], 'protocolError'],
    ['a window of a stream that is too large', [post(1), windowUpdate(1, 0x7fffffff)], 'flowControlError'],
    ['an acknowledgement of SETTINGS that nobody sent', [settingsAck, settingsAck], 'protocolError'],
    [
      'a request that depends on itself',
      [frame(headers, 5 | priority, 1, Buffer.concat([Buffer.of(0, 0, 0, 1, 9), requestBlock()]))],
      'protocolError',
    ],
    [
      'more streams than it knows to be allowed',
      [settingsAck, post(1), post(3)],
      'protocolError',
      { maxConcurrentStreams: 1 },
    ],
  ];
  for (const [what, bytes, code, options] of rows) {
    test(what, () => {
      const { connection, output, around, events } = serverEnd(options, answering);
      connection.start();
      connection.receive(Buffer.concat([preface, ...bytes, ping()]));
      around.flushes.run();
      assert.deepEqual(describeFrames(output.take()).slice(2), []);
      assert.match(events.log.join('\n'), new RegExp(`^fault ${errorCode[code as 'noError']} `, 'm'));
      assert.equal(output.ended, true);
    });
  }
});

describe('a request whose head is not complete when the connection fails', () => {
  const rows: [what: string, bytes: Buffer[]][] = [
    ['is told of its end', [frame(headers, 1, 7, requestBlock()), ping()]],
    ['is so where the head cannot be decoded', [frame(headers, 5, 7, Buffer.of(0xff, 0xff, 0xff))]],
  ];
  for (const [what, bytes] of rows) {
    test(what, () => {
      const { connection, output, events } = serverEnd();
      connection.start();
      connection.receive(Buffer.concat([preface, ...bytes]));
      assert.match(describeFrames(output.take()).at(-1) ?? '', /^goAway 0 7 /);
      assert.match(events.recorders[0]?.log.join() ?? '', /^reset \d connection codec_error:/);
    });
  }
});

describe('what comes too late for a stream that was reset', () => {
  function late(...bytes: Buffer[]): string[] {
    const { connection, output, around } = serverEnd({}, (stream) => new Recorder(() => stream.reset(2)));
    connection.start();
    connection.receive(Buffer.concat([preface, post(1), ...bytes, ping()]));
    around.flushes.run();
    return describeFrames(output.take()).slice(2);
  }
  const rows: [what: string, bytes: Buffer][] = [
    ['DATA', data(1, 'x')],
    ['trailers', frame(headers, 5, 1, literals(['a', 'b']))],
    ['RST_STREAM', rstStream(1)],
    ['WINDOW_UPDATE', windowUpdate(1, 1)],
    ['PRIORITY', frame(2, 0, 1, Buffer.alloc(5))],
  ];
  for (const [what, bytes] of rows) {
    test(`${what} is dropped`, () => {
      assert.deepEqual(late(bytes), ['rstStream 1 internalError', 'ping 0 ack']);
    });
  }
  test('still counts for the window of the connection', () => {
    const piece = data(1, Buffer.alloc(16_384));
    assert.ok(late(piece, piece).includes('windowUpdate 0 32768'));
  });
});

test('a request that is answered early is reset with NO_ERROR when the answer is out', () => {
  const { connection, output, around } = serverEnd({}, (stream) => {
    return new Recorder(() => {
      stream.sendResponse(413, [], false);
      stream.sendData(Buffer.from('no'), true);
      stream.finish();
    });
  });
  connection.start();
  connection.receive(Buffer.concat([preface, post(1)]));
  around.flushes.run();
  assert.deepEqual(describeFrames(output.take()).slice(2), [
    'headers 1',
    'data 1 2 end',
    'rstStream 1 noError',
  ]);
  assert.equal(connection.streamsActive, 0);
});

test('an interim head never carries the end', () => {
  const { connection, output, around } = serverEnd({}, (stream) => {
    return new Recorder(() => {
      stream.sendInterim(103, ['link', '</x>']);
      stream.sendResponse(200, [], false);
      stream.end();
    });
  });
  connection.start();
  connection.receive(Buffer.concat([preface, get(1)]));
  around.flushes.run();
  assert.deepEqual(describeFrames(output.take()).slice(2), ['headers 1', 'headers 1 end']);
});

test('a handler that throws ends its stream alone', () => {
  const { connection, output, around, events } = serverEnd({}, (stream) => {
    return new Recorder((event) => {
      if (stream.id === 1 && event === 'head') throw new Error('bug');
      if (stream.id === 3) stream.sendResponse(204, [], true);
    });
  });
  connection.start();
  connection.receive(Buffer.concat([preface, get(1), get(3)]));
  around.flushes.run();
  assert.deepEqual(describeFrames(output.take()).slice(2), ['rstStream 1 internalError', 'headers 3 end']);
  assert.deepEqual(events.log, ['error 1 bug', 'over 1', 'over 3']);
  assert.deepEqual(events.recorders[0]?.log, [
    'head GET http mesh / end',
    'reset 2 handler http2.handler_error',
  ]);
});

test('SETTINGS of the server say what was configured', () => {
  const { connection, output, around } = serverEnd({
    hpackTableSize: 0,
    maxConcurrentStreams: 7,
    initialStreamWindowSize: 70_000,
    initialConnectionWindowSize: 100_000,
    allowConnect: true,
    customSettings: [0x10, 9],
  });
  connection.start();
  around.flushes.run();
  const written = output.take();
  assert.deepEqual(
    written.subarray(0, 9 + 30).toString('hex'),
    settings(1, 0, 3, 7, 4, 70_000, 8, 1, 0x10, 9).toString('hex'),
  );
  assert.deepEqual(describeFrames(written).slice(1), [`windowUpdate 0 ${100_000 - 65_535}`]);
});
