import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeFields, type Fields, integer, literals, wide } from '../../../../../test/support/hpack.ts';
import { HeaderBlock } from '../header-block.ts';
import { HpackDecoder } from './decoder.ts';
import { encodeHuffman } from './huffman.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('examples of RFC 7541, Appendix C', () => {
  type Step = [bytes: string, fields: Fields, tableBytes: number];
  const request = { method: [':method', 'GET'], http: [':scheme', 'http'], root: [':path', '/'] } as const;
  const authority = [':authority', 'www.example.com'] as const;
  const ofRequests = (first: string, second: string, third: string): Step[] => [
    [first, [request.method, request.http, request.root, authority], 57],
    [second, [request.method, request.http, request.root, authority, ['cache-control', 'no-cache']], 110],
    [
      third,
      [
        request.method,
        [':scheme', 'https'],
        [':path', '/index.html'],
        authority,
        ['custom-key', 'custom-value'],
      ],
      164,
    ],
  ];
  const location = ['location', 'https://www.example.com'] as const;
  const cookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
  const ofResponses = (first: string, second: string, third: string): Step[] => {
    const date = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'] as const;
    const cached = ['cache-control', 'private'] as const;
    return [
      [first, [[':status', '302'], cached, date, location], 222],
      [second, [[':status', '307'], cached, date, location], 222],
      [
        third,
        [
          [':status', '200'],
          cached,
          ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
          location,
          ['content-encoding', 'gzip'],
          ['set-cookie', cookie],
        ],
        215,
      ],
    ];
  };
  const cases: [title: string, tableBytes: number, steps: Step[]][] = [
    [
      'C.2.1 literal with indexing',
      4096,
      [
        [
          '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
          [['custom-key', 'custom-header']],
          55,
        ],
      ],
    ],
    [
      'C.2.2 literal without indexing',
      4096,
      [['040c 2f73 616d 706c 652f 7061 7468', [[':path', '/sample/path']], 0]],
    ],
    [
      'C.2.3 literal never indexed',
      4096,
      [['1008 7061 7373 776f 7264 0673 6563 7265 74', [['password', 'secret']], 0]],
    ],
    ['C.2.4 indexed', 4096, [['82', [[':method', 'GET']], 0]]],
    [
      'C.3 requests',
      4096,
      ofRequests(
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ),
    ],
    [
      'C.4 requests with Huffman coding',
      4096,
      ofRequests(
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ),
    ],
    [
      'C.5 responses, in a table of 256 bytes',
      256,
      ofResponses(
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        '4803 3330 37c1 c0bf',
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
      ),
    ],
    [
      'C.6 responses with Huffman coding, in a table of 256 bytes',
      256,
      ofResponses(
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        '4883 640e ffc1 c0bf',
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ),
    ],
  ];
  for (const [title, tableBytes, steps] of cases) {
    test(title, () => {
      const decoder = new HpackDecoder(tableBytes);
      if (tableBytes < 4096) decodeFields(decoder, integer(tableBytes, 5, 0x20));
      for (const [bytes, fields, after] of steps) {
        assert.deepEqual(decodeFields(decoder, hex(bytes.replaceAll(/\s/g, ''))), fields);
        assert.equal(decoder.tableBytes, after);
      }
    });
  }
});

describe('errors of the coding', () => {
  const cases: [why: string, bytes: Buffer | string][] = [
    ['position 0', '80'],
    ['a position beyond an empty table', 'be'],
    ['a name at a position beyond the table', '7f 00 01 61'],
    ['a position that ends nowhere', 'ff'],
    ['a position with bytes to come', 'ff 80'],
    ['a position of more than 32 bits', 'ff ff ff ff ff ff 7f'],
    ['a position of zeros without end', 'ff 80 80 80 80 80 80 00'],
    ['a literal without a name', '00'],
    ['a literal without a value', '00 01 61'],
    ['a name longer than the block', '00 05 61 62'],
    ['a value longer than the block', '00 01 61 05 62'],
    ['a length with bytes to come', '00 01 61 7f'],
    ['a length of more than 32 bits', '00 01 61 7f ff ff ff ff ff 7f'],
    ['a Huffman string with wrong padding', '00 01 61 81 18'],
    ['a Huffman name with wrong padding', '00 81 18 01 61'],
    ['a size update larger than allowed', integer(4097, 5, 0x20)],
    ['a size update with bytes to come', '3f'],
    ['a size update after a field', '82 20'],
    ['a size update at the end', '82 3f e1 1f'],
  ];
  for (const [why, bytes] of cases) {
    test(why, () => {
      const block = typeof bytes === 'string' ? hex(bytes) : bytes;
      assert.equal(decodeFields(new HpackDecoder(4096), block), undefined);
    });
  }
});

test('a string that is longer than is taken', () => {
  const long = literals([['name', 'v'.repeat(65_537)]]);
  assert.equal(decodeFields(new HpackDecoder(4096), long), undefined);
  assert.notEqual(decodeFields(new HpackDecoder(4096), literals([['name', 'v'.repeat(65_536)]])), undefined);
  assert.notEqual(decodeFields(new HpackDecoder(4096, 100_000), long), undefined);
});

describe('sizes of the table', () => {
  const field = literals([['name', 'value']], 0x40);
  test('an update empties the table, and another opens it again', () => {
    const decoder = new HpackDecoder(4096);
    decodeFields(decoder, field);
    assert.equal(decoder.tableBytes, 41);
    assert.deepEqual(decodeFields(decoder, Buffer.concat([hex('20'), integer(4096, 5, 0x20)])), []);
    assert.equal(decoder.tableBytes, 0);
    assert.equal(decodeFields(decoder, hex('be')), undefined);
  });
  test('a field that is larger than the table empties it and is read', () => {
    const decoder = new HpackDecoder(4096);
    decodeFields(decoder, Buffer.concat([integer(64, 5, 0x20), field]));
    assert.equal(decoder.tableBytes, 41);
    assert.deepEqual(decodeFields(decoder, literals([['name', 'v'.repeat(29)]], 0x40)), [
      ['name', 'v'.repeat(29)],
    ]);
    assert.equal(decoder.tableBytes, 0);
  });
  test('a new field may have the name of the one it pushes out', () => {
    const decoder = new HpackDecoder(4096);
    decodeFields(decoder, Buffer.concat([integer(41, 5, 0x20), field]));
    assert.deepEqual(decodeFields(decoder, hex('7e 05 6f74686572')), [['name', 'other']]);
    assert.deepEqual(decodeFields(decoder, hex('be')), [['name', 'other']]);
  });
  test('a smaller table that the peer knows of must be confirmed', () => {
    const decoder = new HpackDecoder(100);
    assert.notEqual(decodeFields(decoder, field), undefined, 'the peer may not have our settings');
    assert.notEqual(decodeFields(decoder, integer(4096, 5, 0x20)), undefined);
    decoder.settingsAcknowledged();
    assert.equal(decodeFields(decoder, hex('82')), undefined, 'nothing said');
  });
  test('confirmed by a size that is small enough, once', () => {
    const decoder = new HpackDecoder(100);
    decoder.settingsAcknowledged();
    assert.notEqual(decodeFields(decoder, Buffer.concat([integer(50, 5, 0x20), hex('82')])), undefined);
    assert.notEqual(decodeFields(decoder, integer(100, 5, 0x20)), undefined);
    assert.notEqual(decodeFields(decoder, hex('82')), undefined);
    assert.equal(decodeFields(decoder, integer(101, 5, 0x20)), undefined, 'more than was announced');
  });
  test('a size that is confirmed before it is acknowledged', () => {
    const decoder = new HpackDecoder(100);
    decodeFields(decoder, integer(100, 5, 0x20));
    decoder.settingsAcknowledged();
    assert.notEqual(decodeFields(decoder, hex('82')), undefined);
  });
  test('a larger table is used when the peer says so', () => {
    const decoder = new HpackDecoder(8192);
    decoder.settingsAcknowledged();
    const big = literals([['big', 'v'.repeat(5000)]], 0x40);
    decodeFields(decoder, big);
    assert.equal(decoder.tableBytes, 0);
    decodeFields(decoder, Buffer.concat([integer(8192, 5, 0x20), big]));
    assert.equal(decoder.tableBytes, 5035);
  });
});

describe('strings', () => {
  test('names and values, Huffman coded or not', () => {
    const decoder = new HpackDecoder(4096);
    for (const name of ['x-request-id', 'x-known-to-nobody', ':path', 'UPPER']) {
      const coded = Buffer.alloc(40);
      const length = encodeHuffman(name, coded, 0);
      const string = Buffer.concat([integer(length, 7, 0x80), coded.subarray(0, length)]);
      assert.deepEqual(decodeFields(decoder, literals([[name, name]])), [[name, name]]);
      assert.deepEqual(decodeFields(decoder, Buffer.concat([hex('00'), string, string])), [[name, name]]);
    }
  });
  test('bytes above 127 are characters', () => {
    const decoder = new HpackDecoder(4096);
    assert.deepEqual(decodeFields(decoder, literals([['x', 'a\xff\x80']])), [['x', 'a\xff\x80']]);
  });
  test('no string holds on to the bytes it was read from', () => {
    const decoder = new HpackDecoder(4096);
    const bytes = literals([['x-some-name', 'some value that is long enough to be sliced']], 0x40);
    const [first] = decodeFields(decoder, bytes)!;
    bytes.fill(0x41);
    assert.deepEqual(first, ['x-some-name', 'some value that is long enough to be sliced']);
    assert.deepEqual(decodeFields(decoder, hex('be')), [first]);
  });
});

describe('limits', () => {
  test('what comes after one is exceeded still goes into the table', () => {
    const decoder = new HpackDecoder(4096);
    const block = new HeaderBlock();
    const bytes = Buffer.concat([
      literals([[':status', '200']]),
      literals(
        [
          ['a', '1'],
          ['b', '2'],
          ['c', '3'],
        ],
        0x40,
      ),
    ]);
    assert.ok(
      decoder.decode(bytes, 0, bytes.length, 'response', block, { maxListBytes: 1000, maxFields: 2 }),
    );
    assert.equal(block.tooLarge, 'fields');
    assert.deepEqual(decodeFields(decoder, hex('be bf c0')), [
      ['c', '3'],
      ['b', '2'],
      ['a', '1'],
    ]);
  });
  test('one large field named again and again is not stored again and again', () => {
    const decoder = new HpackDecoder(4096);
    decodeFields(decoder, literals([['bomb', 'b'.repeat(4000)]], 0x40));
    const block = new HeaderBlock();
    const bytes = Buffer.concat([hex('828684'), literals([[':authority', 'a']]), Buffer.alloc(16_000, 0xbe)]);
    assert.ok(
      decoder.decode(bytes, 0, bytes.length, 'request', block, { maxListBytes: 61_440, maxFields: 100 }),
    );
    assert.equal(block.tooLarge, 'bytes');
    assert.equal(block.headers.length / 2, 16);
  });
});

describe('any bytes', () => {
  const good = Buffer.concat([
    hex('828684'),
    literals(
      [
        [':authority', 'example.com'],
        ['custom-key', 'custom-value'],
      ],
      0x40,
    ),
    hex('5886a8eb10649cbf'),
    integer(4000, 7, 0x80),
  ]);
  /** Bytes that are random, or a block with some of them changed. */
  const blocks = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => {
        const bytes = Buffer.from(good);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      }),
  );
  test('end, and leave a table that is no larger than allowed', () => {
    fc.assert(
      fc.property(
        fc.array(blocks, { maxLength: 8 }),
        fc.constantFrom('request', 'response', 'trailers'),
        (all, kind) => {
          const decoder = new HpackDecoder(200);
          const block = new HeaderBlock();
          for (const bytes of all) {
            const decoded = decoder.decode(bytes, 0, bytes.length, kind, block, wide);
            assert.ok(decoder.tableBytes <= 4096);
            assert.ok(block.headers.length % 2 === 0);
            if (!decoded) return;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
  test('are read from their place in a larger buffer, and no further', () => {
    fc.assert(
      fc.property(blocks, fc.nat(20), fc.uint8Array({ maxLength: 20 }), (bytes, before, after) => {
        const around = Buffer.concat([Buffer.alloc(before, 0x82), bytes, after]);
        const there = new HeaderBlock();
        const alone = new HeaderBlock();
        const decoded = new HpackDecoder(4096).decode(
          around,
          before,
          before + bytes.length,
          'request',
          there,
          wide,
        );
        assert.equal(new HpackDecoder(4096).decode(bytes, 0, bytes.length, 'request', alone, wide), decoded);
        assert.deepEqual(there, alone);
      }),
    );
  });
});
