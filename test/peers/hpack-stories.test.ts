/** The stories of http2jp/hpack-test-case: header blocks that other encoders wrote, connection by connection. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ByteWriter } from '#http/codec/h2/byte-writer.ts';
import { HpackDecoder } from '#http/codec/h2/hpack/decoder.ts';
import { HpackEncoder } from '#http/codec/h2/hpack/encoder.ts';
import { decodeFields } from '../support/hpack.ts';

const folder = join(process.env.HEDDLE_TESTDATA ?? '', 'hpack');
const missing =
  process.env.HEDDLE_TESTDATA === undefined || !existsSync(folder) ? 'HEDDLE_TESTDATA has no hpack' : false;

interface Story {
  readonly cases: readonly {
    readonly seqno: number;
    readonly wire: string;
    readonly headers: readonly Readonly<Record<string, string>>[];
  }[];
}

/** The sizes that the stories set stay within what both sides begin with. */
const tableBytes = 4096;

describe('HPACK stories', { skip: missing }, () => {
  if (missing !== false) {
    assert.notEqual(process.env.HEDDLE_REQUIRE_PEERS, '1', missing);
    return;
  }
  let blocks = 0;
  const encoders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name: encoderName } of encoders) {
    for (const file of readdirSync(join(folder, encoderName)).sort()) {
      test(`${encoderName}/${file}`, () => {
        const story = JSON.parse(readFileSync(join(folder, encoderName, file), 'utf8')) as Story;
        const theirs = new HpackDecoder(tableBytes);
        const encoder = new HpackEncoder(tableBytes);
        const ours = new HpackDecoder(tableBytes);
        const out = new ByteWriter();
        let theirBytes = 0;
        let ourBytes = 0;
        for (const { seqno, wire, headers } of story.cases) {
          const expected = headers.map((field) => Object.entries(field)[0]!);
          assert.deepEqual(decodeFields(theirs, Buffer.from(wire, 'hex')), expected, `block ${seqno}`);
          out.reset();
          encoder.encodeFields(out, expected.flat());
          const bytes = Buffer.from(out.buffer.subarray(0, out.length));
          assert.deepEqual(decodeFields(ours, bytes), expected, `block ${seqno}, encoded anew`);
          theirBytes += wire.length / 2;
          ourBytes += bytes.length;
          blocks++;
        }
        // Paths and cookies are not Huffman coded by us, tables not shrunk now and then.
        assert.ok(ourBytes < theirBytes * 1.5, `${ourBytes} bytes, ${theirBytes} in the story`);
      });
    }
  }
  test('there were stories', () => assert.ok(blocks > 100, String(blocks)));
});
