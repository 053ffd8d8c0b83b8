/** Messages as bytes: what clients wrote, what they are told, and what no bytes may do to us. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { code, flag, readMessage, type } from './message.ts';
import { type Query, readQuery } from './query.ts';
import type { NameRecord } from './record.ts';
import { datagramBytes, finishedReply, MAX_STREAM_BYTES, ownReply, relayedReply } from './reply.ts';

const opt = (more: object = {}): NonNullable<Packet['additionals']>[number] =>
  ({ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [], ...more }) as never;

function question(packet: Packet): Query {
  const received = readQuery(encode({ type: 'query', id: 7, ...packet }));
  assert.equal(received.kind, 'question');
  return (received as Extract<typeof received, { kind: 'question' }>).query;
}

const address = (owner: string, data: string): NameRecord => ({ type: 'A', owner, ttl: 30, data });
const contentOf = (answers: readonly NameRecord[]): Parameters<typeof ownReply>[1] => ({
  code: code.noError,
  answers,
  authorities: [],
  additionals: [],
});

describe('a query', () => {
  const plain = encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'a.b' }] });
  const changed = (change: (bytes: Buffer) => void, from = plain): Buffer => {
    const bytes = Buffer.from(from);
    change(bytes);
    return bytes;
  };
  const withOpt = encode({
    type: 'query',
    id: 7,
    questions: [{ type: 'A', name: 'a.b' }],
    additionals: [opt()],
  });
  const of = (questions: Packet['questions']): Buffer => encode({ type: 'query', id: 7, questions });

  const refused: [bytes: Buffer, rcode: number, why: string][] = [
    [plain.subarray(0, -1), code.formatError, 'cut off'],
    [plain.subarray(0, 12), code.formatError, 'no question where it says there is one'],
    [of([]), code.formatError, 'no question'],
    [
      of([
        { type: 'A', name: 'a' },
        { type: 'A', name: 'b' },
      ]),
      code.formatError,
      'two questions',
    ],
    [changed((bytes) => bytes.writeUInt16BE(0xc00c, 12)), code.formatError, 'a name that points at itself'],
    [changed((bytes) => bytes.writeUInt8(0x40, 12)), code.formatError, 'a label of no known kind'],
    [changed((bytes) => bytes.writeUInt16BE(0xffff, 6)), code.formatError, 'records that are not there'],
    [changed((bytes) => bytes.writeUInt16BE(0x2800, 2)), code.notImplemented, 'an update'],
    [of([{ type: 'AXFR', name: 'cluster.local' }]), code.refused, 'a transfer of the zone'],
    [of([{ type: 'TKEY', name: 'cluster.local' }]), code.notImplemented, 'a key'],
    [of([{ type: 'A', class: 'CH', name: 'version.bind' }]), code.refused, 'another class'],
    [of([{ type: 'OPT', name: '.' }]), code.formatError, 'a question for OPT'],
    [changed((bytes) => bytes.writeUInt8(1, bytes.length - 5), withOpt), code.badVersion, 'a later EDNS'],
  ];
  for (const [bytes, rcode, why] of refused) {
    test(`is refused with ${rcode} (${why})`, () => {
      const received = readQuery(bytes);
      assert.ok(received.kind === 'refused');
      assert.equal(received.code, rcode);
      const { id, rcode: low, additionals } = decode(received.reply) as DecodedPacket & { rcode: string };
      assert.equal(id, 7);
      assert.equal(received.reply.readUInt16BE(2) & flag.reply, flag.reply);
      if (rcode === code.badVersion) {
        const [option] = additionals as unknown as { extendedRcode: number; ednsVersion: number }[];
        assert.deepEqual([low, option?.extendedRcode, option?.ednsVersion], ['NOERROR', 1, 0]);
      } else assert.equal(received.reply.readUInt16BE(2) & flag.code, rcode);
    });
  }

  test('is not answered where it is an answer, or shorter than a header', () => {
    assert.equal(readQuery(encode({ type: 'response', id: 7 })).kind, 'ignored');
    assert.equal(readQuery(plain.subarray(0, 11)).kind, 'ignored');
    assert.equal(readQuery(Buffer.alloc(0)).kind, 'ignored');
  });

  test('with a second OPT is refused', () => {
    const bytes = encode({
      type: 'query',
      questions: [{ type: 'A', name: 'a' }],
      additionals: [opt(), opt()],
    });
    assert.equal(readQuery(bytes).kind, 'refused');
  });

  test('has its name in lower case, and strange bytes told apart', () => {
    assert.equal(question({ questions: [{ type: 'A', name: 'ReViews.Default' }] }).name, 'reviews.default');
    assert.equal(question({ questions: [{ type: 'NS', name: '.' }] }).name, '');
    // One label "a.b" is not two labels.
    const bytes = changed((raw) => raw.write('\x03a.b\x00', 12, 'latin1'));
    const received = readQuery(bytes);
    assert.equal(received.kind === 'question' && received.query.name, 'a\\046b');
  });
});

describe('a reply', () => {
  test('repeats the question as it was written, and its flags', () => {
    const flags = flag.recursionDesired | flag.checkingDisabled;
    const query = question({ flags, questions: [{ type: 'A', name: 'ReViews' }] });
    const reply = decode(ownReply(query, contentOf([address('reviews', '10.96.1.1')]), 512));
    assert.deepEqual(reply.questions, [{ name: 'ReViews', type: 'A', class: 'IN' }]);
    assert.deepEqual(
      reply.answers?.map(({ name }) => name),
      ['ReViews'],
    );
    const { id, flag_qr, flag_aa, flag_tc, flag_rd, flag_ra, flag_cd } = reply;
    assert.deepEqual(
      [id, flag_qr, flag_aa, flag_tc, flag_rd, flag_ra, flag_cd],
      [7, true, true, false, true, true, true],
    );
  });

  test('has OPT where the query had it', () => {
    const questions: Packet['questions'] = [{ type: 'A', name: 'a' }];
    const reply = ownReply(question({ questions }), contentOf([address('a', '10.0.0.1')]), 512);
    assert.deepEqual(decode(finishedReply(question({ questions }), reply, 512)).additionals, []);
    const withEdns = question({ questions, additionals: [opt({ flags: 0x8000 })] });
    const [option] = decode(finishedReply(withEdns, reply, 512)).additionals ?? [];
    assert.ok(option?.type === 'OPT');
    assert.deepEqual([option.udpPayloadSize, option.ednsVersion, option.flag_do], [1232, 0, true]);
  });

  const sizes: [additionals: Packet['additionals'], bytes: number, why: string][] = [
    [[], 512, 'no EDNS'],
    [[opt()], 1232, 'what it says'],
    [[opt({ udpPayloadSize: 100 })], 512, 'less than everybody takes'],
    [[opt({ udpPayloadSize: 65_535 })], 4096, 'more than we send'],
  ];
  for (const [additionals = [], bytes, why] of sizes) {
    test(`of at most ${bytes} bytes (${why}) holds the records that fit`, () => {
      const query = question({ questions: [{ type: 'A', name: 'db' }], additionals });
      const all = Array.from({ length: 400 }, (_, i) => address('db', `10.0.${i >> 8}.${i & 255}`));
      assert.equal(datagramBytes(query), bytes);
      const sent = finishedReply(query, ownReply(query, contentOf(all), bytes), datagramBytes(query));
      assert.ok(sent.length <= bytes && sent.length > bytes - 16, `${sent.length} bytes`);
      const { flag_tc, answers } = decode(sent);
      assert.equal(flag_tc, true);
      const room = bytes - 12 - 8 - (additionals.length === 0 ? 0 : 11);
      assert.equal(answers?.length, Math.floor(room / 16));
    });
  }

  test('of more records than fit in a stream is made of no more', () => {
    const query = question({ questions: [{ type: 'A', name: 'db' }] });
    const all = Array.from({ length: 70_000 }, (_, i) =>
      address('db', `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
    );
    const sent = finishedReply(query, ownReply(query, contentOf(all), MAX_STREAM_BYTES), MAX_STREAM_BYTES);
    assert.ok(sent.length <= MAX_STREAM_BYTES);
    const { flag_tc, answers } = decode(sent);
    assert.deepEqual([flag_tc, answers?.length], [true, Math.floor((MAX_STREAM_BYTES - 12 - 8) / 16)]);
  });

  test('without additional records that do not fit is whole', () => {
    const query = question({ questions: [{ type: 'A', name: 'db' }] });
    const additionals = Array.from({ length: 40 }, (_, i) => address(`db-${i}`, `10.0.0.${i}`));
    const reply = ownReply(query, { ...contentOf([address('db', '10.0.0.1')]), additionals }, 512);
    const { flag_tc, answers, additionals: sent } = decode(finishedReply(query, reply, 512));
    assert.deepEqual([flag_tc, answers?.length], [false, 1]);
    assert.ok((sent?.length ?? 0) > 10);
  });
});

test("an upstream's answer is told under the client's id, in its case, without OPT, and older", () => {
  const bytes = encode({
    type: 'response',
    id: 99,
    flags: 0x0400 | 0x0180,
    questions: [{ type: 'A', name: 'www.example.com' }],
    answers: [
      { type: 'CNAME', name: 'www.example.com', ttl: 300, data: 'cdn.example.com' },
      { type: 'A', name: 'cdn.example.com', ttl: 20, data: '192.0.2.1' },
    ],
    additionals: [opt(), { type: 'A', name: 'x', data: '192.0.2.2' }],
  });
  const query = question({
    flags: flag.recursionDesired,
    questions: [{ type: 'A', name: 'WWW.example.COM' }],
  });
  const reply = decode(relayedReply(query, { bytes, message: readMessage(bytes)! }, 30));
  assert.deepEqual([reply.id, reply.flag_aa, reply.flag_ra], [7, false, true]);
  assert.equal(reply.questions?.[0]?.name, 'WWW.example.COM');
  assert.deepEqual(
    reply.answers?.map((answer) => 'ttl' in answer && answer.ttl),
    [270, 0],
  );
  assert.deepEqual(reply.additionals, []);
});

describe('no bytes', () => {
  const valid = encode({
    type: 'query',
    id: 7,
    questions: [{ type: 'A', name: 'reviews.default.svc.cluster.local' }],
    additionals: [opt()],
  });
  const mutated = fc
    .tuple(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(valid.length))
    .map(([changes, length]) => {
      const bytes = Buffer.from(valid);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes.subarray(0, length);
    });
  const any = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));

  for (const [what, arbitrary] of [
    ['drawn at random', any],
    ['changed here and there', mutated],
  ] as const) {
    test(`${what} make reading a query throw, and what comes of it can be read`, () => {
      fc.assert(
        fc.property(arbitrary, (bytes) => {
          const received = readQuery(bytes);
          if (received.kind === 'refused') assert.ok(readMessage(received.reply) !== undefined);
          if (received.kind !== 'question') return;
          const { query } = received;
          const full = ownReply(query, contentOf([address('reviews.default', '10.96.1.1')]), 512);
          const sent = finishedReply(query, full, datagramBytes(query));
          assert.ok(sent.length <= datagramBytes(query));
          assert.equal(readMessage(sent)?.question?.name, query.name);
        }),
        { numRuns: 5000 },
      );
    });
  }

  test('of an upstream make relaying them throw', () => {
    const response = encode({
      type: 'response',
      questions: [{ type: 'A', name: 'a.example.com' }],
      answers: [{ type: 'A', name: 'a.example.com', ttl: 1, data: '192.0.2.1' }],
      additionals: [opt()],
    });
    const query = question({ questions: [{ type: 'A', name: 'a.example.com' }] });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 31, max: response.length - 1 }), fc.nat(255))),
        (changes) => {
          const bytes = Buffer.from(response);
          for (const [at, byte] of changes) bytes[at] = byte;
          const message = readMessage(bytes);
          if (message === undefined) return;
          const reply = relayedReply(query, { bytes, message }, 5);
          const sent = readMessage(finishedReply(query, reply, 512));
          assert.ok(sent?.records.every((record) => record.type !== type.OPT));
        },
      ),
      { numRuns: 5000 },
    );
  });
});
