/** Whom Envoy 1.40 lets in and whom not, field by field; the details are those of its access log. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Fields, integer, literals, wide } from '../../../../test/support/hpack.ts';
import { mark } from '../../header-name.ts';
import { type BlockKind, type BlockLimits, HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack/decoder.ts';

const badField = 'http2.invalid.header.field';
const badMessage = 'http2.violation.of.messaging.rule';

function read(kind: BlockKind, fields: Fields, limits: BlockLimits = wide): HeaderBlock {
  const decoder = new HpackDecoder(65_536);
  const block = new HeaderBlock();
  const bytes = literals(fields);
  assert.ok(decoder.decode(bytes, 0, bytes.length, kind, block, limits));
  if (limits !== wide) return block;
  // The same fields out of the dynamic table: what is known of them there must be the same.
  const indexed = Buffer.concat([integer(65_536, 5, 0x20), literals(fields, 0x40)]);
  const again = new HeaderBlock();
  assert.ok(decoder.decode(indexed, 0, indexed.length, kind, again, limits));
  assert.deepEqual(again, block);
  const positions = Buffer.concat(fields.map((_, i) => integer(61 + fields.length - i, 7, 0x80)));
  assert.ok(decoder.decode(positions, 0, positions.length, kind, again, limits));
  assert.deepEqual(again, block);
  // And as names of the table with a literal value.
  const values = Buffer.concat(
    fields.map(([, value], i) =>
      Buffer.concat([
        integer(61 + fields.length - i, 4),
        integer(value.length, 7),
        Buffer.from(value, 'latin1'),
      ]),
    ),
  );
  assert.ok(decoder.decode(values, 0, values.length, kind, again, limits));
  assert.deepEqual(again, block);
  return block;
}

const method = [':method', 'GET'] as const;
const scheme = [':scheme', 'http'] as const;
const authority = [':authority', 'a'] as const;
const path = [':path', '/p'] as const;
const get: Fields = [method, scheme, authority, path];

describe('requests', () => {
  const connect = [':method', 'CONNECT'] as const;
  const webSocket = [':protocol', 'websocket'] as const;
  const cases: [why: string, fields: Fields, malformed: string][] = [
    ['nothing but what there must be', get, ''],
    ['a capital in a name', [...get, ['X-a', 'b']], badField],
    ['a blank in a name', [...get, ['x a', 'b']], badField],
    ['no name', [...get, ['', 'b']], badField],
    ['NUL in a value', [...get, ['x-a', 'b\0']], badField],
    ['CR in a value', [...get, ['x-a', 'b\rc']], badField],
    ['LF in a value', [...get, ['x-a', 'b\nc']], badField],
    ['blanks around a value', [...get, ['x-a', ' b\t']], ''],
    ['an empty value', [...get, ['x-a', '']], ''],
    ['a pseudo-header field after a field', [method, scheme, authority, ['x-a', 'b'], path], badField],
    ['after host', [method, ['host', 'h'], scheme, path], badField],
    ['after cookie', [method, ['cookie', 'h'], scheme, authority, path], badField],
    ['two methods', [...get, method], badField],
    ['two schemes', [...get, scheme], badField],
    ['two authorities', [...get, authority], badField],
    ['two paths', [...get, [':path', '/q']], badField],
    ['a pseudo-header field nobody knows', [...get, [':foo', 'b']], badField],
    ['a colon alone', [...get, [':', 'b']], badField],
    ['a pseudo-header field in capitals', [method, scheme, authority, [':Path', '/']], badField],
    ['that of a response', [...get, [':status', '200']], badField],
    ['no method', [scheme, authority, path], badMessage],
    ['no scheme', [method, authority, path], badMessage],
    ['no path', [method, scheme, authority], badMessage],
    ['no authority and no host', [method, scheme, path], badMessage],
    ['nothing at all', [], badMessage],
    ['an empty method', [[':method', ''], scheme, authority, path], badField],
    ['an empty scheme', [method, [':scheme', ''], authority, path], badField],
    ['an empty authority', [method, scheme, [':authority', ''], path, ['host', 'h']], badField],
    ['an empty path', [method, scheme, authority, [':path', '']], badField],
    ['a path without a slash', [method, scheme, authority, [':path', 'p']], badMessage],
    ['of another scheme', [method, [':scheme', 'foo'], authority, [':path', 'p']], ''],
    ['of http in capitals', [method, [':scheme', 'HTTP'], authority, [':path', 'p']], badMessage],
    ['an absolute path', [method, scheme, authority, [':path', 'http://a/']], badMessage],
    ['* of GET', [method, scheme, authority, [':path', '*']], badMessage],
    ['* of OPTIONS', [[':method', 'OPTIONS'], scheme, authority, [':path', '*']], ''],
    ['a scheme that begins with a digit', [method, [':scheme', '1a'], authority, path], badField],
    ['host beside authority', [...get, ['host', 'other']], ''],
    ['two hosts', [method, scheme, path, ['host', 'h'], ['host', 'h']], badField],
    ['an empty host', [method, scheme, path, ['host', '']], badField],
    ['a host that is none', [method, scheme, path, ['host', 'a b']], badField],
    ['connection', [...get, ['connection', 'x-a']], badField],
    ['keep-alive', [...get, ['keep-alive', '1']], badField],
    ['proxy-connection', [...get, ['proxy-connection', 'close']], badField],
    ['transfer-encoding', [...get, ['transfer-encoding', 'chunked']], badField],
    ['upgrade', [...get, ['upgrade', 'h2c']], badField],
    ['te: trailers', [...get, ['te', 'trailers']], ''],
    ['te: Trailers', [...get, ['te', 'Trailers']], ''],
    ['te: gzip', [...get, ['te', 'gzip']], badField],
    ['te: trailers and more', [...get, ['te', 'trailers, gzip']], badField],
    ['an empty te', [...get, ['te', '']], badField],
    ['a length', [...get, ['content-length', '5']], ''],
    ['no number', [...get, ['content-length', 'x']], badField],
    ['a sign', [...get, ['content-length', '+5']], badField],
    ['an empty length', [...get, ['content-length', '']], badField],
    ['a list of lengths', [...get, ['content-length', '5, 5']], badField],
    ['two lengths', [...get, ['content-length', '5'], ['content-length', '5']], badField],
    ['2^63 - 1', [...get, ['content-length', '9223372036854775807']], ''],
    ['2^63', [...get, ['content-length', '9223372036854775808']], badField],
    ['zeros before 2^63 - 1', [...get, ['content-length', '0009223372036854775807']], ''],
    ['CONNECT', [connect, authority], ''],
    ['CONNECT with a path', [connect, authority, path], badMessage],
    ['CONNECT with a scheme', [connect, authority, scheme], badMessage],
    ['CONNECT with host only', [connect, ['host', 'a:1']], badMessage],
    ['extended CONNECT', [connect, webSocket, ...get.slice(1)], ''],
    ['without a path', [connect, webSocket, scheme, authority], badMessage],
    ['without a scheme', [connect, webSocket, authority, path], badMessage],
    ['with host only', [connect, webSocket, scheme, path, ['host', 'h']], badMessage],
    ['with an empty protocol', [connect, [':protocol', ''], ...get.slice(1)], badField],
    ['a protocol of GET', [...get, webSocket], badMessage],
  ];
  for (const [why, fields, malformed] of cases) {
    test(why, () => assert.equal(read('request', fields).malformed, malformed));
  }
  test('a protocol where extended CONNECT was not offered', () => {
    const block = read('request', [connect, webSocket, ...get.slice(1)], {
      maxListBytes: 999,
      maxFields: 99,
    });
    assert.equal(block.malformed, badField);
  });
});

describe('characters that may be there', () => {
  const unreserved = '-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';
  const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('');
  const high = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)).join('');
  const token = `!#$%&'*+^\`|${unreserved}`;
  const cases: [what: string, fields: (char: string) => Fields, allowed: string][] = [
    ['authority', (c) => [method, scheme, [':authority', `a${c}`], path], `!$%&'()*+,:;=[]${unreserved}`],
    ['host', (c) => [method, scheme, path, ['host', `a${c}`]], `!$%&'()*+,:;=[]${unreserved}`],
    ['path', (c) => [method, scheme, authority, [':path', `/${c}`]], visible + high],
    ['method', (c) => [[':method', `GET${c}`], scheme, authority, path], token],
    ['scheme', (c) => [method, [':scheme', `a${c}`], authority, path], `+${unreserved.replace(/[_~]/g, '')}`],
    [
      'protocol',
      (c) => [[':method', 'CONNECT'], [':protocol', `a${c}`], ...get.slice(1)],
      `\t ${visible}${high}`,
    ],
    ['name', (c) => [...get, [`x${c}`, 'b']], token.replace(/[A-Z]/g, '')],
    ['value', (c) => [...get, ['x', `a${c}b`]], `\t ${visible}${high}`],
  ];
  for (const [what, fields, allowed] of cases) {
    test(what, () => {
      let letIn = '';
      for (let byte = 0; byte < 256; byte++) {
        const char = String.fromCharCode(byte);
        const { malformed } = read('request', fields(char));
        if (malformed === '') letIn += char;
        else assert.equal(malformed, badField);
      }
      assert.equal(letIn, [...allowed].sort().join(''));
    });
  }
});

describe('responses', () => {
  const ok = [':status', '200'] as const;
  const cases: [why: string, fields: Fields, malformed: string][] = [
    ['a status', [ok], ''],
    ['no status', [['x-a', 'b']], badMessage],
    ['two', [ok, ok], badField],
    ['four digits', [[':status', '2000']], badField],
    ['two digits', [[':status', '20']], badField],
    ['no number', [[':status', 'abc']], badField],
    ['101', [[':status', '101']], badField],
    ['999', [[':status', '999']], ''],
    ['below 100', [[':status', '099']], badField],
    ['a status after a field', [['x-a', 'b'], ok], badField],
    ['a pseudo-header field of requests', [ok, path], badField],
    ['connection', [ok, ['connection', 'close']], badField],
    ['te: gzip', [ok, ['te', 'gzip']], badField],
    ['a bad value', [ok, ['x-a', '\0']], badField],
    ['two hosts, of no meaning here', [ok, ['host', 'a b'], ['host', '']], ''],
    ['two lengths', [ok, ['content-length', '0'], ['content-length', '0']], badField],
    [
      'a length of 204',
      [
        [':status', '204'],
        ['content-length', '1'],
      ],
      badField,
    ],
    [
      'no length to speak of',
      [
        [':status', '204'],
        ['content-length', '0'],
      ],
      '',
    ],
    [
      'a length of an interim response',
      [
        [':status', '103'],
        ['content-length', '0'],
      ],
      badField,
    ],
    [
      'an interim response',
      [
        [':status', '103'],
        ['link', 'x'],
      ],
      '',
    ],
  ];
  for (const [why, fields, malformed] of cases) {
    test(why, () => assert.equal(read('response', fields).malformed, malformed));
  }
});

describe('trailers', () => {
  const cases: [why: string, fields: Fields, malformed: string][] = [
    ['none', [], ''],
    ['a field', [['grpc-status', '0']], ''],
    ['a pseudo-header field of requests', [path], badField],
    ['of responses', [[':status', '200']], badField],
    ['connection', [['connection', 'close']], badField],
    ['te: gzip', [['te', 'gzip']], badField],
    [
      'two lengths',
      [
        ['content-length', '3'],
        ['content-length', '3'],
      ],
      badField,
    ],
  ];
  for (const [why, fields, malformed] of cases) {
    test(why, () => assert.equal(read('trailers', fields).malformed, malformed));
  }
  test('two hosts from a client', () => {
    const hosts: Fields = [
      ['host', 'a'],
      ['host', 'b'],
    ];
    assert.equal(read('trailers', hosts, { ...wide, fromClient: true }).malformed, badField);
    assert.equal(read('trailers', hosts).malformed, '');
    assert.deepEqual(read('trailers', [['host', 'a']], { ...wide, fromClient: true }).headers, ['host', 'a']);
  });
});

describe('what is taken out of a block', () => {
  test('a request', () => {
    const block = read('request', [
      ...get,
      ['host', 'other'],
      ['cookie', 'a=b'],
      ['x-forwarded-for', '10.0.0.1'],
      ['cookie', 'c=d'],
      ['content-length', '12'],
      ['x-own', 'e'],
    ]);
    assert.deepEqual(block.headers, [
      ...['x-forwarded-for', '10.0.0.1', 'content-length', '12', 'x-own', 'e'],
      ...['cookie', 'a=b; c=d'],
    ]);
    assert.deepEqual([block.method, block.scheme, block.authority, block.path], ['GET', 'http', 'a', '/p']);
    assert.equal(block.contentLength, 12);
    assert.equal(block.marks, mark.host | mark.forwardedFor | mark.contentLength);
    assert.equal(block.fields, 10);
  });
  test('host is the authority where there is none', () => {
    const block = read('request', [method, scheme, path, ['host', 'h:1'], ['x-a', 'b']]);
    assert.equal(block.authority, 'h:1');
    assert.deepEqual(block.headers, ['x-a', 'b']);
  });
  test('the length of a CONNECT is of no meaning', () => {
    const block = read('request', [[':method', 'CONNECT'], authority, ['content-length', '5']]);
    assert.equal(block.contentLength, -1);
  });
  test('a response', () => {
    const block = read('response', [
      [':status', '204'],
      ['content-length', '0'],
      ['set-cookie', 'a'],
      ['set-cookie', 'b'],
    ]);
    assert.equal(block.status, 204);
    assert.equal(block.contentLength, -1);
    assert.deepEqual(block.headers, ['set-cookie', 'a', 'set-cookie', 'b']);
  });
  test('nothing of the block before', () => {
    const decoder = new HpackDecoder(4096);
    const block = new HeaderBlock();
    const full = literals([...get, ['cookie', 'a'], ['content-length', '1'], ['te', 'x']]);
    decoder.decode(full, 0, full.length, 'request', block, wide);
    const taken = block.headers;
    assert.equal(block.malformed, badField);
    decoder.decode(Buffer.of(0x88), 0, 1, 'response', block, wide);
    const fresh = new HeaderBlock();
    new HpackDecoder(4096).decode(Buffer.of(0x88), 0, 1, 'response', fresh, wide);
    assert.deepEqual(block, fresh);
    assert.notEqual(block.headers, taken);
  });
});

describe('limits', () => {
  /** Bytes of `get`, as Envoy counts them. */
  const ofGet = 39;
  const limits = (maxListBytes: number, maxFields = 100): BlockLimits => ({ maxListBytes, maxFields });
  const cases: [why: string, fields: Fields, limits: BlockLimits, tooLarge: string][] = [
    ['bytes, just so', [...get, ['x-a', 'v'.repeat(58)]], limits(100), ''],
    ['one more', [...get, ['x-a', 'v'.repeat(59)]], limits(100), 'bytes'],
    ['a cookie, without its name', [...get, ['cookie', 'v'.repeat(61)]], limits(100), ''],
    ['one more', [...get, ['cookie', 'v'.repeat(62)]], limits(100), 'bytes'],
    ['crumbs, with what joins them', [...get, ['cookie', 'a'], ['cookie', 'b']], limits(ofGet + 4), ''],
    ['one less', [...get, ['cookie', 'a'], ['cookie', 'b']], limits(ofGet + 3), 'bytes'],
    ['a host that is dropped', [...get, ['host', 'h'.repeat(57)]], limits(100), ''],
    ['one more', [...get, ['host', 'h'.repeat(58)]], limits(100), 'bytes'],
    ['fields, just so', [...get, ['a', ''], ['b', '']], limits(100, 6), ''],
    ['one more', [...get, ['a', ''], ['b', ''], ['c', '']], limits(100, 6), 'fields'],
    [
      'a crumb is a field',
      [...get, ['cookie', ''], ['cookie', ''], ['cookie', '']],
      limits(100, 6),
      'fields',
    ],
  ];
  for (const [why, fields, allowed, tooLarge] of cases) {
    test(`${why}: ${tooLarge === '' ? 'taken' : 'refused'}`, () => {
      const block = read('request', fields, allowed);
      assert.equal(block.tooLarge, tooLarge);
      assert.equal(block.malformed, '');
    });
  }
  test('only the first fault is told', () => {
    const wrongLater = read('request', [...get, ['a', ''], ['X', '']], limits(100, 4));
    assert.deepEqual([wrongLater.tooLarge, wrongLater.malformed], ['fields', '']);
    const wrongBefore = read('request', [...get, ['X', ''], ['a', '']], limits(100, 4));
    assert.deepEqual([wrongBefore.tooLarge, wrongBefore.malformed], ['', badField]);
  });
});
