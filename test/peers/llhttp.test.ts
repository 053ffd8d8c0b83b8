/** The strict messages of llhttp's own tests: what it refuses we refuse, what it reads we read alike, but for what Envoy takes otherwise. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { defaultLimits } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';
import { RequestDecoder, type RequestRules } from '#http/codec/h1/request-decoder.ts';
import { ResponseDecoder } from '#http/codec/h1/response-decoder.ts';

const folder = join(process.env.HEDDLE_TESTDATA ?? '', 'llhttp');
const missing =
  process.env.HEDDLE_TESTDATA === undefined || !existsSync(folder) ? 'HEDDLE_TESTDATA has no llhttp' : false;

interface Case {
  readonly name: string;
  readonly kind: 'request' | 'response';
  readonly bytes: Buffer;
  readonly refused: boolean;
  readonly body: string;
}

const noUpgrade =
  'upgrades are not taken, so what follows is a broken message and no data of the new protocol';
const otherProtocol = 'RTSP, ICE and the preface of HTTP/2 are no HTTP/1.1';
const connectionsLater = 'bytes after a closing message are dropped with the connection, not by the codec';
const oneCoding = 'the one coding taken is chunked: anything else cannot be passed on safely';
const tunnel = 'what follows CONNECT is the tunnel, and a CONNECT with a body is refused';
const loose = 'taken as Envoy takes it, and sent on in the one strict form';
const strayLine = 'a line before a response is no response, as to Envoy';
const unlikeEnvoy = 'Envoy refuses it';

/** Where we differ, and why. The key is `folder/file: title`. */
const differences: Readonly<Record<string, string>> = {
  'request/connection.md: No restart when keep-alive is off (1.0)': connectionsLater,
  'request/connection.md: Emitting part of body and pausing': noUpgrade,
  'request/connection.md: Multiple tokens with folding and LWS': noUpgrade,
  'request/connection.md: Upgrade GET request': noUpgrade,
  'request/connection.md: Upgrade POST request': noUpgrade,
  'request/connection.md: Not treating `\\r` as `-`': loose,
  'request/invalid.md: Headers separated by CR': loose,
  'request/invalid.md: Headers separated by LF': loose,
  'request/invalid.md: Empty headers separated by LF': loose,
  'request/method.md: CONNECT request': tunnel,
  'request/method.md: CONNECT with body': tunnel,
  'request/method.md: M-SEARCH request': unlikeEnvoy,
  'request/method.md: SOURCE request with ICE': otherProtocol,
  'request/method.md: OPTIONS request with RTSP': otherProtocol,
  'request/method.md: ANNOUNCE request with RTSP': otherProtocol,
  'request/method.md: PRI request HTTP2': otherProtocol,
  'request/transfer-encoding.md: POST with `chunked` as last transfer-encoding': oneCoding,
  'request/transfer-encoding.md: POST with `chunked` as last transfer-encoding (multiple headers)': oneCoding,
  'request/transfer-encoding.md: No semicolon before chunk extensions': loose,
  'request/transfer-encoding.md: No extension after semicolon': loose,
  'request/transfer-encoding.md: Unbalanced chunk extensions quoting': loose,
  'request/transfer-encoding.md: Space after chunk header': loose,
  'request/uri.md: Underscore in hostname': unlikeEnvoy,
  'response/connection.md: HTTP/1.1 with keep-alive disabled and 204 status': connectionsLater,
  'response/connection.md: HTTP 101 response with Upgrade and Content-Length header': noUpgrade,
  'response/connection.md: HTTP 101 response with Upgrade and Transfer-Encoding header': noUpgrade,
  'response/connection.md: HTTP 304 with Content-Length': strayLine,
  'response/connection.md: HTTP 100 first, then 400': strayLine,
  'response/invalid.md: Tab after HTTP version': loose,
  'response/invalid.md: Headers separated by CR': loose,
  'response/invalid.md: Invalid HTTP version': loose,
  'response/invalid.md: Extra space between HTTP version and status code': loose,
  'response/invalid.md: Only LFs present and no body': loose,
  'response/invalid.md: Only LFs present': loose,
  'response/pipelining.md: Should parse multiple events': strayLine,
  'response/sample.md: No carriage ret': loose,
  'response/sample.md: RTSP response': otherProtocol,
  'response/sample.md: ICE response': otherProtocol,
  'response/sample.md: Response starting with CRLF': strayLine,
  'response/transfer-encoding.md: Trailing space on chunked body': loose,
  'response/transfer-encoding.md: No semicolon before chunk extensions': loose,
  'response/transfer-encoding.md: No extension after semicolon': loose,
  'response/transfer-encoding.md: Unbalanced chunk extensions quoting': loose,
  'response/transfer-encoding.md: `chunked` before other transfer-encoding': oneCoding,
  'response/transfer-encoding.md: multiple transfer-encoding where chunked is not the last one': oneCoding,
  'response/transfer-encoding.md: `chunkedchunked` transfer-encoding does not enable chunked enconding':
    oneCoding,
};

const rules: RequestRules = { ...defaultLimits, takesHttp10: true };

function readCases(kind: 'request' | 'response', file: string): Case[] {
  const text = readFileSync(join(folder, kind, file), 'utf8');
  const cases: Case[] = [];
  const pattern =
    /^#{2,4} (.*)\n(?:(?!^#)[\s\S])*?<!-- meta=(\{.*?\}) ?-->\n```http\n((?:(?!```)[\s\S])*?)\n```\n\n```log\n((?:(?!```)[\s\S])*?)```/gm;
  for (const [, title, meta, input, log] of text.matchAll(pattern)) {
    const { type, pause, skipBody, noScan } = JSON.parse(meta!) as Record<string, unknown>;
    if (type !== kind || pause !== undefined || skipBody === true || noScan === true) continue;
    cases.push({
      name: `${file}: ${title}`,
      kind,
      bytes: Buffer.from(bytesOf(input!), 'latin1'),
      refused: /error code=(?!2[1-4]\b)/.test(log!),
      body: [...log!.matchAll(/span\[body\]=(?:"((?:[^"\\]|\\.)*)"|(cr|lf))/g)]
        .map(([, text, end]) => (end === undefined ? bytesOf(text!) : end === 'cr' ? '\r' : '\n'))
        .join(''),
    });
  }
  return cases;
}

/** llhttp's notation: lines end with CR LF, a backslash joins two lines, escapes as in C. */
function bytesOf(text: string): string {
  return text
    .replace(/\\(\r\n|\r|\n)/g, '')
    .replace(/\r\n|\r|\n/g, '\r\n')
    .replace(/\\([rntf]|x[0-9a-fA-F]{2})/g, (_, code: string) => {
      if (code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
      return { r: '\r', n: '\n', t: '\t', f: '\f' }[code] ?? code;
    });
}

interface Outcome {
  refused: boolean;
  body: string;
}

function read(kind: Case['kind'], bytes: Buffer, pieceBytes: number): Outcome {
  const outcome: Outcome = { refused: false, body: '' };
  const events = {
    onHead(): void {},
    onData(data: Buffer): void {
      outcome.body += data.toString('latin1');
    },
    onTrailers(): void {},
    onEnd(): void {},
    onFault(_: Fault): void {
      outcome.refused = true;
    },
  };
  const decoder = kind === 'request' ? new RequestDecoder(events, rules) : new ResponseDecoder(events);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    const chunk = bytes.subarray(from, from + pieceBytes);
    for (let at = 0; at < chunk.length; ) at = decoder.decode(chunk, at);
  }
  // Some messages stop within the head: what is wrong with it shows at its end.
  if (decoder.inHead) decoder.decode(Buffer.from('\r\n\r\n'), 0);
  return outcome;
}

describe('llhttp', { skip: missing }, () => {
  if (missing !== false) {
    assert.notEqual(process.env.HEDDLE_REQUIRE_PEERS, '1', missing);
    return;
  }
  const seen = new Set<string>();
  for (const kind of ['request', 'response'] as const) {
    for (const file of readdirSync(join(folder, kind)).sort()) {
      for (const { name, bytes, refused, body } of readCases(kind, file)) {
        const key = `${kind}/${name}`;
        seen.add(key);
        const reason = differences[key];
        test(reason === undefined ? key : `${key} (differs: ${reason})`, () => {
          const whole = read(kind, bytes, bytes.length);
          assert.deepEqual(read(kind, bytes, 1), whole, 'byte by byte');
          const same = whole.refused === refused && (refused || whole.body === body);
          assert.equal(
            same,
            reason === undefined,
            JSON.stringify({ ours: whole, theirs: { refused, body } }),
          );
        });
      }
    }
  }
  test('every difference is about a message there is', () => {
    assert.deepEqual(
      Object.keys(differences).filter((key) => !seen.has(key)),
      [],
    );
    assert.ok(seen.size > 100, String(seen.size));
  });
});
