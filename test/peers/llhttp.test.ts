/** The strict messages of llhttp's own tests: what it refuses we refuse, what it reads we read alike. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RequestDecoder, ResponseDecoder } from '#http/codec/h1/decoder.ts';
import type { Fault } from '#http/codec/h1/fault.ts';

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
const otherProtocol = 'RTSP, ICE, HTTP/0.9 and the preface of HTTP/2 are no HTTP/1.1';
const methodsLater =
  'any token is a method to the codec; the connection manager refuses those it does not know';
const connectionsLater = 'bytes after a closing message are dropped with the connection, not by the codec';
const oneCoding = 'the one coding taken is chunked: anything else cannot be passed on safely';
const tunnel = 'what follows CONNECT is the tunnel, and a CONNECT with a body is refused';

/** Where we differ, and why. The key is `folder/file: title`. */
const differences: Readonly<Record<string, string>> = {
  'request/connection.md: No restart when keep-alive is off (1.0)': connectionsLater,
  'request/connection.md: Multiple tokens with folding and LWS': 'folded lines are refused (RFC 9112 §5.2)',
  'request/connection.md: Emitting part of body and pausing': noUpgrade,
  'request/connection.md: Upgrade GET request': noUpgrade,
  'request/connection.md: Upgrade POST request': noUpgrade,
  'request/invalid.md: HTTP protocol and ANNOUNCE method': methodsLater,
  'request/invalid.md: Invalid method': methodsLater,
  'request/method.md: CONNECT request': tunnel,
  'request/method.md: CONNECT with body': tunnel,
  'request/method.md: SOURCE request with ICE': otherProtocol,
  'request/method.md: OPTIONS request with RTSP': otherProtocol,
  'request/method.md: ANNOUNCE request with RTSP': otherProtocol,
  'request/method.md: PRI request HTTP2': otherProtocol,
  'request/transfer-encoding.md: POST with `chunked` as last transfer-encoding': oneCoding,
  'request/transfer-encoding.md: POST with `chunked` as last transfer-encoding (multiple headers)': oneCoding,
  'response/connection.md: HTTP/1.1 with keep-alive disabled and 204 status': connectionsLater,
  'response/connection.md: HTTP 101 response with Upgrade and Content-Length header': noUpgrade,
  'response/connection.md: HTTP 101 response with Upgrade and Transfer-Encoding header': noUpgrade,
  'response/sample.md: RTSP response': otherProtocol,
  'response/sample.md: ICE response': otherProtocol,
  'response/sample.md: HTTP version 0.9': otherProtocol,
  'response/transfer-encoding.md: `chunked` before other transfer-encoding': oneCoding,
  'response/transfer-encoding.md: multiple transfer-encoding where chunked is not the last one': oneCoding,
  'response/transfer-encoding.md: `chunkedchunked` transfer-encoding does not enable chunked enconding':
    oneCoding,
};

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
  const decoder = kind === 'request' ? new RequestDecoder(events) : new ResponseDecoder(events);
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
