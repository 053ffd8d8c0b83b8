/** The HTTP/1 decoders. */
import assert from 'node:assert/strict';
import type { Fault } from '#http/codec/h1/fault.ts';
import { RequestDecoder } from '#http/codec/h1/request-decoder.ts';
import { ResponseDecoder } from '#http/codec/h1/response-decoder.ts';
import type { FuzzTarget } from './target.ts';

function run(kind: 'request' | 'response', pieces: readonly Buffer[]): string {
  const lines: string[] = [];
  let data = '';
  let faults = 0;
  const say = (line: string): void => {
    assert.equal(faults, 0, 'something came after a fault');
    if (data !== '') lines.push(`data ${data}`);
    data = '';
    lines.push(line);
  };
  const events = {
    onHead(): void {
      assert.equal(decoder.headers.length % 2, 0);
      const start =
        decoder instanceof RequestDecoder ? `${decoder.method} ${decoder.target}` : `${decoder.status}`;
      say(
        `head ${start} ${JSON.stringify(decoder.headers)} ${decoder.contentLength} ${decoder.chunked} ${decoder.keepAlive}`,
      );
    },
    onData(chunk: Buffer): void {
      assert.equal(faults, 0, 'data came after a fault');
      data += chunk.toString('latin1');
    },
    onTrailers: (list: string[]): void => say(`trailers ${JSON.stringify(list)}`),
    onEnd: (): void => say('end'),
    onFault({ status }: Fault): void {
      assert.ok(status >= 400 && status < 600);
      // Of several faults in one head, bytes that come slowly show another one first.
      say('fault');
      faults++;
    },
  };
  const decoder = kind === 'request' ? new RequestDecoder(events) : new ResponseDecoder(events);
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const next = decoder.decode(piece, at);
      assert.ok(next > at && next <= piece.length, `decoding stood still at ${at}`);
      at = next;
    }
  }
  decoder.finish();
  if (data !== '') lines.push(`data ${data}`);
  return lines.join('\n');
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

export const http1Request: FuzzTarget = {
  name: 'http1-request',
  seeds: [
    text('GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n'),
    text(
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloPUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n',
    ),
    text(
      'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n',
    ),
    text('CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\nopaque bytes'),
    text('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello'),
  ],
  run: (pieces) => run('request', pieces),
};

export const http1Response: FuzzTarget = {
  name: 'http1-response',
  seeds: [
    text(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n',
    ),
    text('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n'),
    text('HTTP/1.0 200 OK\r\n\r\nuntil the end'),
  ],
  run: (pieces) => run('response', pieces),
};
