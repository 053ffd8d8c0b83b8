import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { defaultLimits } from './decoder.ts';
import type { Fault } from './fault.ts';
import { RequestDecoder, type RequestRules } from './request-decoder.ts';
import { ResponseDecoder } from './response-decoder.ts';

/** Everything a decoder said, as lines; data in a row is joined. */
function read(
  pieces: readonly string[],
  kind: 'request' | 'response' = 'request',
  method = 'GET',
  end = false,
  rules: RequestRules = defaultLimits,
): string[] {
  const lines: string[] = [];
  let data = '';
  const flush = (): void => {
    if (data !== '') lines.push(`data ${data}`);
    data = '';
  };
  const events = {
    onHead(): void {
      flush();
      const start =
        decoder instanceof RequestDecoder
          ? `${decoder.method} ${decoder.target}${decoder.host === '' ? '' : ` at ${decoder.host}`}`
          : `${decoder.status} ${decoder.reason}`;
      lines.push(`head ${start} 1.${decoder.minor} ${JSON.stringify(decoder.headers)} ${decoder.keepAlive}`);
    },
    onData(chunk: Buffer): void {
      data += chunk.toString('latin1');
    },
    onTrailers(list: string[]): void {
      flush();
      lines.push(`trailers ${JSON.stringify(list)}`);
    },
    onEnd(): void {
      flush();
      lines.push('end');
    },
    onFault({ status, details }: Fault): void {
      flush();
      lines.push(`fault ${status} ${details}`);
    },
  };
  const decoder = kind === 'request' ? new RequestDecoder(events, rules) : new ResponseDecoder(events);
  if (decoder instanceof ResponseDecoder) decoder.requestMethod = method;
  for (const piece of pieces) {
    const chunk = Buffer.from(piece, 'latin1');
    for (let at = 0; at < chunk.length; ) at = decoder.decode(chunk, at);
  }
  if (end) decoder.finish();
  flush();
  return lines;
}

const old = { ...defaultLimits, takesHttp10: true };
const get = 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n';
const getHead = 'head GET /a at h 1.1 ["host","h"] true';

describe('requests', () => {
  const cases: [why: string, text: string, lines: string[]][] = [
    ['a small one', get, [getHead, 'end']],
    ['two in a row', get + get, [getHead, 'end', getHead, 'end']],
    ['empty lines before it', `\r\n\r\n${get}`, [getHead, 'end']],
    [
      'a length',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc',
      ['head POST / at h 1.1 ["host","h","content-length","3"] true', 'data abc', 'end'],
    ],
    [
      'chunks, an extension and trailers',
      'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nA: b\r\n\r\n',
      [
        'head POST / 1.1 ["transfer-encoding","chunked"] true',
        'data abc0123456789',
        'trailers ["a","b"]',
        'end',
      ],
    ],
    [
      'blanks around a value',
      'GET / HTTP/1.1\r\nA:\t b c \t\r\nB:\r\n\r\n',
      ['head GET / 1.1 ["a","b c","b",""] true', 'end'],
    ],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', ['fault 426 low_version']],
    [
      'close among others',
      'GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n',
      ['head GET / 1.1 ["connection","x, Close"] false', 'end'],
    ],
    [
      'bytes after CONNECT are the tunnel',
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nGET',
      ['head CONNECT  at a:1 1.1 ["host","a:1"] true', 'data GET'],
    ],
    ['bare LF', 'GET / HTTP/1.1\nHost: h\r\n\r\n', ['head GET / at h 1.1 ["host","h"] true', 'end']],
    [
      'bare LF in the fields',
      'GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n',
      ['head GET / at h 1.1 ["host","h","a","b"] true', 'end'],
    ],
    [
      'only bare LFs, and the next one',
      `GET / HTTP/1.1\nHost: h\n\n${get}`,
      ['head GET / at h 1.1 ["host","h"] true', 'end', getHead, 'end'],
    ],
    [
      'an end of bare LFs before one of CR LF',
      'GET / HTTP/1.1\r\nHost: h\n\nGET /b HTTP/1.1\r\nHost: i\r\n\r\n',
      ['head GET / at h 1.1 ["host","h"] true', 'end', 'head GET /b at i 1.1 ["host","i"] true', 'end'],
    ],
    [
      'a folded line',
      'GET / HTTP/1.1\r\nA: b \r\n\t c\r\n\r\n',
      ['head GET / 1.1 ["a","b \\t c"] true', 'end'],
    ],
    ['a fold before the first field', 'GET / HTTP/1.1\r\n A: b\r\n\r\n', ['fault 400 http1.codec_error']],
    ['blanks more than one in the first line', 'GET \t /a  HTTP/1.1 \r\nHost: h\r\n\r\n', [getHead, 'end']],
    ['LFs and CRs before it', `\r\n\n\r${get}`, [getHead, 'end']],
    ['a blank before it', ` ${get}`, ['fault 400 http1.codec_error']],
    ['TLS', '\x16\x03\x01', ['fault 400 http1.codec_error']],
    ['blank before the colon', 'GET / HTTP/1.1\r\nA : b\r\n\r\n', ['fault 400 http1.codec_error']],
    ['NUL in a value', 'GET / HTTP/1.1\r\nA: b\0\r\n\r\n', ['fault 400 http1.invalid_characters']],
    ['CR in a value', 'GET / HTTP/1.1\r\nA: b\rc\r\n\r\n', ['head GET / 1.1 ["a","bc"] true', 'end']],
    [
      'CR in what frames',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chu\rnked\r\n\r\n',
      ['fault 400 http1.invalid_characters'],
    ],
    [
      'a folded length',
      'POST / HTTP/1.1\r\nContent-Length:\r\n 1\r\n\r\na',
      ['head POST / 1.1 ["content-length","1"] true', 'data a', 'end'],
    ],
    [
      'digits of a length in two lines',
      'POST / HTTP/1.1\r\nContent-Length: 1\r\n 1\r\n\r\na',
      ['fault 400 http1.codec_error'],
    ],
    ['no name', 'GET / HTTP/1.1\r\n: b\r\n\r\n', ['fault 400 http1.codec_error']],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
      ['fault 400 http1.codec_error'],
    ],
    [
      'a list of lengths',
      'POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na',
      ['fault 400 http1.codec_error'],
    ],
    [
      'a length with a sign',
      'POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na',
      ['fault 400 http1.codec_error'],
    ],
    [
      'both framings',
      'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ['fault 400 http1.content_length_and_chunked_not_allowed'],
    ],
    [
      'another coding',
      'POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
      ['fault 501 http1.invalid_transfer_encoding'],
    ],
    [
      'a bad chunk size',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'fault 400 http1.codec_error'],
    ],
    [
      'a chunk longer than said',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'data a'],
    ],
    [
      'a size with a bare LF',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'fault 400 http1.codec_error'],
    ],
    [
      'an extension with a bare CR',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'fault 400 http1.codec_error'],
    ],
    [
      'a size of 65 bits',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'fault 400 http1.codec_error'],
    ],
    [
      'trailers with bare LFs',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\n\nGET',
      ['head POST / 1.1 ["transfer-encoding","chunked"] true', 'trailers ["a","b"]', 'end'],
    ],
    [
      'a body to CONNECT',
      'CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n',
      ['fault 400 http1.body_disallowed'],
    ],
    [
      'chunks to CONNECT',
      'CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ['fault 501 http1.invalid_transfer_encoding'],
    ],
    [
      'a URL',
      'GET http://u@b:80/c?d HTTP/1.1\r\nHost: h\r\n\r\n',
      ['head GET /c?d at b:80 1.1 ["host","h"] true', 'end'],
    ],
    ['a URL of another kind', 'GET ftp://b/ HTTP/1.1\r\n\r\n', ['fault 400 http1.invalid_scheme']],
    ['a URL without a host', 'GET http:///c HTTP/1.1\r\n\r\n', ['fault 400 http1.invalid_url']],
    ['a method nobody knows', 'FOO / HTTP/1.1\r\n\r\n', ['fault 400 http1.codec_error']],
    [
      'a name for the next hop that must stay',
      'GET / HTTP/1.1\r\nConnection: x-forwarded-for\r\n\r\n',
      ['fault 400 http1.connection_header_rejected'],
    ],
    [
      "a host that is this hop's only",
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n',
      ['head GET / 1.1 ["host","h","connection","host"] true', 'end'],
    ],
    [
      'a host that cannot be one',
      'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
      ['fault 400 http.invalid_authority'],
    ],
    ['another version', 'GET / HTTP/2.0\r\n\r\n', ['fault 426 low_version']],
    ['no version', 'GET /\r\n\r\n', ['fault 426 low_version']],
    [
      'two hosts',
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      ['head GET / at a,b 1.1 ["host","a","host","b"] true', 'end'],
    ],
    [
      'too many fields',
      `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(101)}\r\n`,
      ['fault 431 http1.too_many_headers'],
    ],
    [
      'too large a head',
      `GET / HTTP/1.1\r\nA: ${'x'.repeat(61 * 1024)}\r\n\r\n`,
      ['fault 431 http1.headers_too_large'],
    ],
  ];
  for (const [why, text, lines] of cases) {
    test(why, () => {
      assert.deepEqual(read([text]), lines);
      if (text.length > 4000) return;
      assert.deepEqual(read([...text]), lines, 'byte by byte');
      fc.assert(
        fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
          const sorted = [0, ...cuts.sort((a, b) => a - b), text.length];
          const pieces = sorted.slice(1).map((cut, i) => text.slice(sorted[i]!, cut));
          assert.deepEqual(read(pieces), lines);
        }),
        { numRuns: 30, seed: 1 },
      );
    });
  }
});

describe('requests of HTTP/1.0', () => {
  const cases: [why: string, text: string, lines: string[]][] = [
    ['closes', 'GET / HTTP/1.0\r\n\r\n', ['head GET / 1.0 [] false', 'end']],
    [
      'asks to stay',
      'GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n',
      ['head GET / 1.0 ["connection","keep-alive, close"] true', 'end'],
    ],
    ['another version is taken for it', 'GET / HTTP/3.7\r\n\r\n', ['head GET / 1.0 [] false', 'end']],
    ['no version, and so no fields', 'GET /\r\nHost', ['head GET / 1.0 [] false', 'end']],
    [
      'chunks',
      'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
      ['head POST / 1.0 ["transfer-encoding","chunked"] false', 'data a', 'end'],
    ],
  ];
  for (const [why, text, lines] of cases) {
    test(why, () => {
      assert.deepEqual(read([text], 'request', 'GET', false, old), lines);
      assert.deepEqual(read([...text], 'request', 'GET', false, old), lines, 'byte by byte');
    });
  }
});

test('both framings where that is allowed: the length goes', () => {
  const text =
    'POST / HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n';
  assert.deepEqual(read([text], 'request', 'GET', false, { ...defaultLimits, allowsChunkedLength: true }), [
    'head POST / 1.1 ["transfer-encoding","chunked"] true',
    'data a',
    'end',
  ]);
});

describe('responses', () => {
  const cases: [why: string, method: string, text: string, lines: string[]][] = [
    [
      'a length',
      'GET',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
      ['head 200 OK 1.1 ["content-length","2"] true', 'data hi', 'end'],
    ],
    ['until the end', 'GET', 'HTTP/1.1 200 OK\r\n\r\nhi', ['head 200 OK 1.1 [] false', 'data hi', 'end']],
    [
      'HEAD has a length and no body',
      'HEAD',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n',
      ['head 200 OK 1.1 ["content-length","2"] true', 'end'],
    ],
    [
      '304',
      'GET',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n',
      ['head 304 Not Modified 1.1 ["content-length","2"] true', 'end'],
    ],
    [
      'interim, then final',
      'GET',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n',
      ['head 100 Continue 1.1 [] true', 'head 204  1.1 [] true', 'end'],
    ],
    ['no reason, no space', 'GET', 'HTTP/1.1 204\r\n\r\n', ['head 204  1.1 [] true', 'end']],
    [
      'cut short',
      'GET',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi',
      ['head 200 OK 1.1 ["content-length","3"] true', 'data hi', 'fault 400 http1.codec_error'],
    ],
    ['not HTTP', 'GET', 'SSH-2.0-x\r\n\r\n', ['fault 400 http1.codec_error']],
    [
      'a switch nobody asked for ends there',
      'GET',
      'HTTP/1.1 101 Switching\r\n\r\n',
      ['head 101 Switching 1.1 [] false', 'end'],
    ],
    [
      'a length where there is no body',
      'GET',
      'HTTP/1.1 204 x\r\nContent-Length: 2\r\n\r\n',
      ['fault 400 http1.codec_error'],
    ],
    [
      'a length of nothing there',
      'GET',
      'HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n',
      ['head 204 x 1.1 [] true', 'end'],
    ],
    ['an empty line before it', 'GET', '\r\nHTTP/1.1 204 x\r\n\r\n', ['fault 400 http1.codec_error']],
    ['bare LFs', 'GET', 'HTTP/1.1  204\tx\n\n', ['head 204 x 1.1 [] true', 'end']],
  ];
  for (const [why, method, text, lines] of cases) {
    test(why, () => {
      assert.deepEqual(read([text], 'response', method, true), lines);
      assert.deepEqual(read([...text], 'response', method, true), lines, 'byte by byte');
    });
  }
});
