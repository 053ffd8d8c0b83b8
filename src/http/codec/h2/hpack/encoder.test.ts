import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeFields } from '../../../../../test/support/hpack.ts';
import { ByteWriter } from '../byte-writer.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

function written(write: (out: ByteWriter) => void): Buffer {
  const out = new ByteWriter(1);
  write(out);
  return Buffer.from(out.buffer.subarray(0, out.length));
}

const fieldsOf = (encoder: HpackEncoder, ...headers: string[]): Buffer =>
  written((out) => encoder.encodeFields(out, headers));
const get = (encoder: HpackEncoder, path: string, ...headers: string[]): Buffer =>
  written((out) => encoder.encodeRequest(out, 'GET', 'http', 'www.example.com', path, '', headers));

describe('requests and responses', () => {
  test('what is in the static table costs a byte', () => {
    const encoder = new HpackEncoder(4096);
    const request = (method: string, scheme: string, path: string): string =>
      written((out) => encoder.encodeRequest(out, method, scheme, '', path, '', [])).toString('hex');
    assert.equal(request('GET', 'http', '/'), '828684');
    assert.equal(request('POST', 'https', '/index.html'), '838785');
    assert.equal(fieldsOf(encoder, 'accept-encoding', 'gzip, deflate').toString('hex'), '90');
    assert.equal(fieldsOf(encoder, 'accept', '').toString('hex'), '93');
    for (const [i, status] of [200, 204, 206, 304, 400, 404, 500].entries()) {
      const bytes = written((out) => encoder.encodeResponse(out, status, []));
      assert.deepEqual([...bytes], [0x88 + i]);
    }
  });
  test('what came before costs a byte', () => {
    const encoder = new HpackEncoder(4096);
    // RFC 7541, Appendix C.4: the first two requests, but for the order of the fields.
    assert.equal(get(encoder, '/').toString('hex'), '8286418cf1e3c2e5f23a6ba0ab90f4ff84');
    assert.equal(get(encoder, '/', 'cache-control', 'no-cache').toString('hex'), '8286be845886a8eb10649cbf');
    assert.equal(get(encoder, '/', 'cache-control', 'no-cache').toString('hex'), '8286bf84be');
    const teapot = (): string => written((out) => encoder.encodeResponse(out, 418, [])).toString('hex');
    assert.equal(teapot().length, 2 * 5);
    assert.equal(teapot(), 'be');
    const put = (): string =>
      written((out) => encoder.encodeRequest(out, 'PUT', 'ftp', '', '', '', [])).toString('hex');
    put();
    assert.equal(put(), 'bfbe');
  });
  test('extended CONNECT', () => {
    const encoder = new HpackEncoder(4096);
    const bytes = written((out) =>
      encoder.encodeRequest(out, 'CONNECT', 'https', 'a', '/chat', 'websocket', ['x-a', 'b']),
    );
    assert.deepEqual(decodeFields(new HpackDecoder(4096), bytes), [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'https'],
      [':authority', 'a'],
      [':path', '/chat'],
      ['x-a', 'b'],
    ]);
  });
});

describe('what is kept out of the table', () => {
  test('values that change, but not their names', () => {
    const encoder = new HpackEncoder(4096);
    assert.equal(get(encoder, '/a').subarray(-4).toString('hex'), '04022f61');
    const traced = fieldsOf(encoder, 'traceparent', '00-1', 'x-request-id', 'a');
    assert.equal(traced[0], 0x40);
    // Positions 63 and 62 of names, without indexing.
    assert.equal(
      fieldsOf(encoder, 'traceparent', '00-2', 'x-request-id', 'b').toString('hex'),
      '0f300430302d320f2f0162',
    );
    assert.equal(fieldsOf(encoder, 'content-length', '12').toString('hex'), '0f0d023132');
    assert.equal(fieldsOf(encoder, 'set-cookie', 'a').toString('hex'), '0f280161');
  });
  test('secrets, for everyone', () => {
    const encoder = new HpackEncoder(4096);
    assert.equal(fieldsOf(encoder, 'authorization', 'x').toString('hex'), '1f080178');
    assert.equal(fieldsOf(encoder, 'proxy-authorization', 'x').toString('hex'), '1f220178');
    assert.equal(fieldsOf(encoder, 'cookie', 'a=b').toString('hex'), '1f1103613d62');
    const long = 'session=0123456789abcdef';
    assert.notEqual(fieldsOf(encoder, 'cookie', long)[0], 0x1f);
    assert.equal(fieldsOf(encoder, 'cookie', long).toString('hex'), 'be');
  });
  test('what would leave no room for others', () => {
    const encoder = new HpackEncoder(4096);
    const most = 'v'.repeat(3072 - 32 - 1);
    assert.ok(fieldsOf(encoder, 'a', most)[0] === 0x40);
    assert.equal(fieldsOf(encoder, 'a', most).toString('hex'), 'be');
    assert.equal(fieldsOf(encoder, 'a', `${most}v`).subarray(0, 2).toString('hex'), '0f2f');
  });
});

describe('sizes of the table', () => {
  test('nothing is said of what both sides begin with', () => {
    const encoder = new HpackEncoder(4096);
    encoder.setPeerLimit(4096);
    assert.equal(fieldsOf(encoder).length, 0);
    encoder.setPeerLimit(65_536);
    assert.equal(fieldsOf(encoder).length, 0, 'more than we want');
  });
  test('a cap below it', () => {
    assert.equal(fieldsOf(new HpackEncoder(0)).toString('hex'), '20');
    assert.equal(fieldsOf(new HpackEncoder(30)).toString('hex'), '3e');
  });
  test('a cap above it is used when the peer allows it', () => {
    const encoder = new HpackEncoder(8192);
    assert.equal(fieldsOf(encoder).length, 0);
    encoder.setPeerLimit(6000);
    assert.equal(fieldsOf(encoder).toString('hex'), '3fd12e');
    assert.equal(fieldsOf(encoder).length, 0, 'once');
  });
  test('the least that was asked for is said, then the last', () => {
    const encoder = new HpackEncoder(4096);
    fieldsOf(encoder, 'a', 'b');
    encoder.setPeerLimit(1000);
    encoder.setPeerLimit(0);
    encoder.setPeerLimit(4096);
    assert.equal(fieldsOf(encoder).toString('hex'), '203fe11f');
    assert.equal(fieldsOf(encoder, 'a', 'b')[0], 0x40, 'the table was emptied');
  });
  test('without a table there are literals alone', () => {
    const encoder = new HpackEncoder(4096);
    encoder.setPeerLimit(0);
    assert.equal(fieldsOf(encoder, 'a', 'b').toString('hex'), '2000016101' + '62');
    assert.equal(fieldsOf(encoder, 'a', 'b').toString('hex'), '0001610162');
    assert.equal(fieldsOf(encoder, 'x-request-id', 'b')[0], 0x00);
  });
});

describe('any fields', () => {
  const names = fc.oneof(
    fc.constantFrom(
      'accept',
      'cookie',
      'x-request-id',
      'content-length',
      'authorization',
      'x-a',
      'date',
      'vary',
    ),
    fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
  );
  const value = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const values = fc.oneof(
    fc.constantFrom('', 'a', 'gzip, deflate', 'some longer value of many characters'),
    value,
  );
  const block = fc.array(fc.tuple(names, values), { maxLength: 12 });
  const step = fc.oneof(
    { weight: 4, arbitrary: block },
    { weight: 1, arbitrary: fc.constantFrom(0, 40, 100, 500, 4096, 10_000) },
  );
  test('are read as they were written, whatever the peer allows when', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20 }),
        fc.constantFrom(0, 64, 300, 4096, 9000),
        (steps, cap) => {
          const encoder = new HpackEncoder(cap);
          const decoder = new HpackDecoder(10_000);
          for (const fields of steps) {
            if (typeof fields === 'number') encoder.setPeerLimit(fields);
            else {
              const bytes = fieldsOf(encoder, ...fields.flat());
              assert.deepEqual(decodeFields(decoder, bytes), fields);
              assert.ok(decoder.tableBytes <= Math.max(cap, 4096));
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
  test('of which very many differ, through a table that turns over', () => {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 3000; i++) {
      const fields: [string, string][] = [
        [`x-${i % 97}`, `v${i % 7}`],
        [`y-${i % 3}`, 'w'.repeat(i % 300)],
        ['x-request-id', String(i)],
      ];
      assert.deepEqual(decodeFields(decoder, fieldsOf(encoder, ...fields.flat())), fields);
    }
  });
});
