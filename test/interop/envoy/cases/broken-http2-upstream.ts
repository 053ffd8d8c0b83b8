/** What an HTTP/2 upstream must not send, and what becomes of it. */
import type { Case } from '../harness/case.ts';
import { dataFrame, flag, frame, frameType, ping, windowUpdate } from '../wire/h2-frames.ts';
import { answered, cutOff, ok, protocolError } from './upstream-row.ts';

export const broken: readonly Case[] = [
  answered('no :status', (x) => x.peer.headers(x.stream, [['x-a', '1']], true), protocolError),
  answered(
    'two :status',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          [':status', '404'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'a status that is no number',
    (x) => x.peer.headers(x.stream, [[':status', 'abc']], true),
    protocolError,
  ),
  answered(
    'a name in capitals in the response',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          ['X-A', '1'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'connection in the response',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          ['connection', 'close'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'transfer-encoding in the response',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          ['transfer-encoding', 'chunked'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'a line end in a value of the response',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          ['x-a', '1\r\nset-cookie: a'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'a request pseudo-header in the response',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          [':path', '/'],
        ],
        true,
      ),
    protocolError,
  ),
  answered(
    'content-length longer than the response',
    (x) => {
      x.peer.headers(x.stream, [
        [':status', '200'],
        ['content-length', '10'],
      ]);
      x.peer.data(x.stream, 'abc', true);
    },
    cutOff,
  ),
  answered(
    'content-length shorter than the response',
    (x) => {
      x.peer.headers(x.stream, [
        [':status', '200'],
        ['content-length', '1'],
      ]);
      x.peer.data(x.stream, 'abc', true);
    },
    cutOff,
  ),
  answered(
    'a pseudo-header in trailers of the response',
    (x) => {
      x.peer.headers(x.stream, [[':status', '200']]);
      x.peer.data(x.stream, 'abc');
      x.peer.headers(x.stream, [[':status', '200']], true);
    },
    cutOff,
  ),
  answered('DATA before the head', (x) => x.peer.data(x.stream, 'abc', true), protocolError),
  answered(
    'DATA after the end',
    (x) => {
      ok(x);
      x.peer.data(x.stream, 'more');
    },
    { status: 200 },
  ),
  answered(
    'a block that is no HPACK from an upstream',
    (x) =>
      x.peer.send(
        frame(
          frameType.headers,
          flag.endHeaders,
          x.stream,
          Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
      ),
    protocolError,
  ),
  answered(
    'PUSH_PROMISE',
    (x) => {
      x.peer.send(frame(frameType.pushPromise, flag.endHeaders, x.stream, Buffer.from([0, 0, 0, 2, 0x82])));
      ok(x);
    },
    protocolError,
  ),
  answered(
    'a frame on an even stream',
    (x) => {
      x.peer.send(dataFrame(2, 'x'));
      ok(x);
    },
    protocolError,
  ),
  answered(
    'a frame larger than 16 KiB from an upstream',
    (x) => {
      x.peer.headers(x.stream, [[':status', '200']]);
      x.peer.send(dataFrame(x.stream, 'x'.repeat(20_000), true));
    },
    cutOff,
  ),
  answered(
    'HTTP/1 from an upstream',
    (x) => {
      x.peer.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    },
    protocolError,
  ),
  answered(
    'a flood of PING from an upstream',
    (x) => x.peer.send(Buffer.concat(Array.from({ length: 3000 }, () => ping()))),
    protocolError,
  ),
  answered(
    '120 headers from an upstream',
    (x) =>
      x.peer.headers(
        x.stream,
        [[':status', '200'], ...Array.from({ length: 120 }, (_, at) => [`x-h${at}`, 'v'] as const)],
        true,
      ),
    { status: 503, log: / 503 UR /, upstream: /reset INTERNAL_ERROR/ },
  ),
  answered(
    'a response for a stream that is over',
    (x) => {
      ok(x);
      x.peer.send(windowUpdate(x.stream, 5));
    },
    { status: 200 },
  ),
];
