/** Our header coding against that of nghttp2, in Node: what one writes the other reads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { ByteWriter } from '#http/codec/h2/byte-writer.ts';
import { HeaderBlock } from '#http/codec/h2/header-block.ts';
import { HpackDecoder } from '#http/codec/h2/hpack/decoder.ts';
import { HpackEncoder } from '#http/codec/h2/hpack/encoder.ts';
import { wide } from '../support/hpack.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const GOAWAY = 7;
const END_STREAM = 1;
const END_HEADERS = 4;

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** SETTINGS with SETTINGS_HEADER_TABLE_SIZE. */
function settings(tableBytes: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(1, 0);
  payload.writeUInt32BE(tableBytes, 2);
  return frame(SETTINGS, 0, 0, payload);
}

interface FrameEvents {
  onHeaders(streamId: number, payload: Buffer): void;
  /** Our settings were acknowledged. */
  onAcknowledged(): void;
  /** Theirs were, by us. */
  onSettings(): void;
}

function readFrames(wire: Duplex, skipBytes: number, events: FrameEvents): void {
  let held: Buffer = Buffer.alloc(0);
  let skip = skipBytes;
  wire.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    if (held.length < skip) return;
    held = held.subarray(skip);
    skip = 0;
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const length = held.readUIntBE(0, 3);
      const [type, flags, streamId] = [held[3], held[4]!, held.readUInt32BE(5)];
      const payload = held.subarray(9, 9 + length);
      held = held.subarray(9 + length);
      if (type === HEADERS) {
        assert.equal(flags & ~END_STREAM, END_HEADERS, 'neither padding, priority nor continuation');
        events.onHeaders(streamId, payload);
      } else if (type === SETTINGS) {
        if ((flags & 1) === 1) events.onAcknowledged();
        else {
          wire.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)));
          events.onSettings();
        }
      } else if (type === GOAWAY || type === RST_STREAM)
        assert.fail(`frame ${type}: ${payload.toString('hex')}`);
    }
  });
}

/** Fields of the i-th message: some new, some old, some secret, some that are in no table. */
function fieldsOf(i: number): Record<string, string> {
  return {
    'user-agent': 'a client of some kind/1.0 (with a comment)',
    accept: '*/*',
    authorization: `Bearer ${i}`,
    cookie: i % 2 === 0 ? 'a=b' : 'session=0123456789abcdefghijklmnop',
    'x-request-id': `6e0c73b4-87fc-4b7d-9697-${i}`,
    [`x-turn-${i % 11}`]: 'v'.repeat((i * 37) % 700),
    'x-bytes': '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~ \u00e9\u00ff',
    'content-length': '0',
  };
}

const flat = (fields: object): string[] => Object.entries(fields).flat();

/** Of a list, what is in the other order for our decoder: it puts cookies last. */
function sorted(list: readonly string[]): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < list.length; i += 2) pairs.push(`${list[i]}: ${list[i + 1]}`);
  return pairs.sort();
}

const rounds = 200;
/** Some of the static table and some that are not. */
const statuses = [200, 201, 206, 400, 404, 418, 500];
const statusOf = (i: number): number => statuses[i % statuses.length]!;

for (const tableBytes of [4096, 0, 300, 16_384]) {
  test(`requests of nghttp2, and our responses, with ${tableBytes} bytes of table`, async () => {
    const [theirEnd, ourEnd] = duplexPair();
    const decoder = new HpackDecoder(tableBytes);
    const encoder = new HpackEncoder(4096);
    const block = new HeaderBlock();
    const out = new ByteWriter();
    const seen: { path: string; headers: string[] }[] = [];
    readFrames(ourEnd, preface.length, {
      onSettings() {},
      onAcknowledged: () => decoder.settingsAcknowledged(),
      onHeaders(streamId, payload) {
        assert.ok(decoder.decode(payload, 0, payload.length, 'request', block, wide));
        assert.equal(block.malformed, '');
        assert.equal(block.authority, 'there.example:80');
        seen.push({ path: block.path, headers: block.headers });
        out.reset();
        encoder.encodeResponse(out, statusOf(seen.length), flat(fieldsOf(seen.length)));
        const bytes = out.buffer.subarray(0, out.length);
        ourEnd.write(frame(HEADERS, END_HEADERS | END_STREAM, streamId, bytes));
      },
    });
    ourEnd.write(settings(tableBytes));
    const client = http2.connect('http://there.example', { createConnection: () => theirEnd });
    await once(client, 'remoteSettings');
    for (let i = 1; i <= rounds; i++) {
      const stream = client.request({ ':path': `/${i}`, ...fieldsOf(i) });
      stream.resume();
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      const { ':status': status, ...rest } = { ...headers };
      assert.equal(status, statusOf(i));
      assert.deepEqual(sorted(flat(rest)), sorted(flat(fieldsOf(i))));
      if (!stream.closed) await once(stream, 'close');
      assert.equal(seen.at(-1)!.path, `/${i}`);
      assert.deepEqual(sorted(seen.at(-1)!.headers), sorted(flat(fieldsOf(i))));
    }
    assert.ok(decoder.tableBytes <= tableBytes);
    client.destroy();
    ourEnd.destroy();
  });

  test(`our requests, and responses of nghttp2, with ${tableBytes} bytes of table`, async () => {
    const [theirEnd, ourEnd] = duplexPair();
    const server = http2.createServer({ settings: { headerTableSize: tableBytes } });
    server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      const { ':path': path, ...rest } = { ...headers };
      assert.equal(headers[':authority'], 'there.example');
      for (const name of [':method', ':scheme', ':authority']) delete rest[name];
      assert.deepEqual(sorted(flat(rest)), sorted(flat(fieldsOf(Number(path!.slice(1))))));
      stream.respond({ ':status': 200, ...rest, date: 'today' }, { endStream: true });
    });
    server.emit('connection', theirEnd);
    const encoder = new HpackEncoder(16_384);
    const decoder = new HpackDecoder(tableBytes);
    const block = new HeaderBlock();
    const out = new ByteWriter();
    let answered = 0;
    const finished = Promise.withResolvers<void>();
    const ask = (): void => {
      const i = answered + 1;
      out.reset();
      const fields = flat(fieldsOf(i));
      encoder.encodeRequest(out, 'GET', 'http', 'there.example', `/${i}`, '', fields);
      const bytes = out.buffer.subarray(0, out.length);
      ourEnd.write(frame(HEADERS, END_HEADERS | END_STREAM, i * 2 - 1, bytes));
    };
    readFrames(ourEnd, 0, {
      onSettings() {
        encoder.setPeerLimit(tableBytes);
        ask();
      },
      onAcknowledged: () => decoder.settingsAcknowledged(),
      onHeaders(_, payload) {
        assert.ok(decoder.decode(payload, 0, payload.length, 'response', block, wide));
        answered++;
        assert.equal(block.status, 200);
        assert.equal(block.malformed, '');
        assert.deepEqual(sorted(block.headers), sorted([...flat(fieldsOf(answered)), 'date', 'today']));
        if (answered === rounds) finished.resolve();
        else ask();
      },
    });
    ourEnd.write(preface);
    ourEnd.write(settings(tableBytes));
    await finished.promise;
    ourEnd.destroy();
    theirEnd.destroy();
    server.close();
  });
}
