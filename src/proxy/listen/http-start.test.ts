import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type HttpStart, readHttpStart } from './http-start.ts';

const start = (text: string): HttpStart => readHttpStart(Buffer.from(text, 'latin1'));

describe('what Envoy makes of first bytes', () => {
  const cases: [text: string, start: HttpStart][] = [
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.1\n', 'http/1.1'],
    ['GET / HTTP/1.0\r\n', 'http/1.0'],
    ['GET / HTTP/1.1 \r\n', 'http/1.1'],
    ['GET  / HTTP/1.1\r\n', 'http/1.1'],
    ['GET\t/\tHTTP/1.1\r\n', 'http/1.1'],
    ['get / HTTP/1.1\r\n', 'http/1.1'],
    ['M-SEARCH * HTTP/1.1\r\n', 'http/1.1'],
    ['CONNECT a:1 HTTP/1.1\r\n', 'http/1.1'],
    ['GET http://a/b HTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.2\r\n', 'http/1.0'],
    ['GET / HTTP/2.0\r\n', 'http/1.0'],
    ['GET /\r\n', 'http/1.0'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c'],
    ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'http/1.0'],
    ['PRI', 'more'],
    ['PRI * HTTP/2.0\r\n', 'more'],
    ['G', 'more'],
    ['GET ', 'more'],
    ['GET /', 'more'],
    ['GET / HTTP/1.1', 'more'],
    ['GET\r\n', 'none'],
    ['\r\nGET / HTTP/1.1\r\n', 'none'],
    ['GET / HTTX/1.1\r\n', 'none'],
    ['GET /\xff HTTP/1.1\r\n', 'none'],
    ['EHLO x\r\n', 'none'],
    ['SSH-2.0-x\r\n', 'none'],
    ['HTTP/1.1 200 OK\r\n\r\n', 'none'],
    ['\x16\x03\x01\x00\x05hello', 'none'],
    ['\x00', 'none'],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)}: ${expected}`, () => assert.equal(start(text), expected));
  }
});

test('every beginning of a request asks for more', () => {
  for (const text of ['POST /a?b=c HTTP/1.1\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    for (let end = 0; end < text.length; end++) assert.equal(start(text.slice(0, end)), 'more', String(end));
  }
});
