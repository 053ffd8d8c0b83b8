import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DescField, type DescMessage, fromBinary, ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Random, seededRandom } from '#core/random.ts';
import { atOnce } from '#core/time-slice.ts';
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { decodeSteps } from './gradual-decoder.ts';
import { resourceKinds, resourceTypes } from './resource-type.ts';

const maxLevels = 8;
/** Of one message with all that is inside. */
const maxFields = 60;

/** Bytes of a message as a careless but valid encoder may write it. */
class Writer {
  readonly #random: Random;
  #left = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  message(schema: DescMessage): Uint8Array {
    this.#left = maxFields;
    return this.#message(schema, maxLevels);
  }

  #message(schema: DescMessage, levels: number): Uint8Array {
    const out = new BinaryWriter();
    const { fields } = schema;
    const count = 1 + this.#random.below(8);
    for (let i = 0; i < count && this.#left > 0; i++) {
      this.#left--;
      const field = fields[this.#random.below(fields.length)];
      if (field === undefined || this.#random.below(12) === 0) this.#unknown(out);
      else if (levels > 0 || field.message === undefined) this.#field(out, field, levels - 1);
    }
    return out.finish();
  }

  /** Above the numbers of all fields there are. */
  #unknown(out: BinaryWriter): void {
    const number = 4000 + this.#random.below(50);
    switch (this.#random.below(4)) {
      case 0:
        out.tag(number, WireType.Varint).uint64(BigInt(this.#random.below(2 ** 50)));
        return;
      case 1:
        out.tag(number, WireType.Bit32).fixed32(7);
        return;
      case 2:
        out.tag(number, WireType.StartGroup).tag(1, WireType.Varint).uint32(5).tag(number, WireType.EndGroup);
        return;
      default:
        out.tag(number, WireType.LengthDelimited).string(this.#text());
    }
  }

  #field(out: BinaryWriter, field: DescField, levels: number): void {
    const { number } = field;
    if (field.fieldKind === 'map') {
      const entry = new BinaryWriter();
      if (this.#random.below(5) > 0) this.#scalar(entry, 1, field.mapKey);
      if (field.mapKind === 'message')
        entry.tag(2, WireType.LengthDelimited).bytes(this.#message(field.message, levels));
      else this.#scalar(entry, 2, field.mapKind === 'enum' ? ScalarType.INT32 : field.scalar);
      out.tag(number, WireType.LengthDelimited).bytes(entry.finish());
      return;
    }
    const times = field.fieldKind === 'list' ? 1 + this.#random.below(4) : 1 + this.#random.below(2);
    for (let i = 0; i < times; i++) {
      if (field.message !== undefined)
        out.tag(number, WireType.LengthDelimited).bytes(this.#message(field.message, levels));
      else this.#scalar(out, number, field.enum === undefined ? field.scalar! : ScalarType.INT32);
    }
  }

  #scalar(out: BinaryWriter, number: number, type: ScalarType): void {
    switch (type) {
      case ScalarType.STRING:
        out.tag(number, WireType.LengthDelimited).string(this.#text());
        return;
      case ScalarType.BYTES:
        out
          .tag(number, WireType.LengthDelimited)
          .bytes(Uint8Array.from(this.#text(), (c) => c.charCodeAt(0)));
        return;
      case ScalarType.DOUBLE:
        out.tag(number, WireType.Bit64).double(this.#random.ratio());
        return;
      case ScalarType.FLOAT:
        out.tag(number, WireType.Bit32).float(0.5);
        return;
      case ScalarType.BOOL:
        out.tag(number, WireType.Varint).bool(true);
        return;
      default:
        out.tag(number, WireType.Varint).uint32(this.#random.below(2 ** 31));
    }
  }

  #text(): string {
    return 'möglich'.repeat(this.#random.below(4));
  }
}

const schemas: readonly DescMessage[] = [
  ...resourceKinds.map((kind) => resourceTypes[kind].schema),
  DiscoveryResponseSchema,
  DeltaDiscoveryResponseSchema,
];

describe('decoding in steps', () => {
  for (const schema of schemas) {
    test(`gives the same ${schema.name} as decoding at once`, () => {
      const random = seededRandom(schema.name.length);
      const writer = new Writer(random);
      let steps = 0;
      for (let i = 0; i < 200; i++) {
        const bytes = writer.message(schema);
        for (const pieceBytes of [1, 1 + random.below(64), 2048]) {
          const decoding = decodeSteps(schema, bytes, pieceBytes);
          let next = decoding.next();
          for (; next.done !== true; next = decoding.next()) steps++;
          assert.deepEqual(next.value, fromBinary(schema, bytes), `message ${i}, pieces of ${pieceBytes}`);
        }
      }
      assert.ok(steps > 500, `${steps} steps`);
    });
  }

  test('refuses what ends too early', () => {
    const { schema } = resourceTypes.endpoint;
    const bytes = new Writer(seededRandom(1)).message(schema);
    assert.ok(bytes.length > 200);
    for (let end = 0; end < bytes.length; end++) {
      const cut = bytes.subarray(0, end);
      let expected: unknown;
      try {
        expected = fromBinary(schema, cut);
      } catch {
        assert.throws(() => atOnce(decodeSteps(schema, cut, 8)), `cut at ${end}`);
        continue;
      }
      assert.deepEqual(atOnce(decodeSteps(schema, cut, 8)), expected, `cut at ${end}`);
    }
  });

  test('refuses what is nested too deep, at the same depth', () => {
    const { schema } = resourceTypes.cluster;
    // A Struct nests as deep as one likes.
    const nested = (levels: number): Uint8Array => {
      let value: Uint8Array = new BinaryWriter().tag(4, WireType.Varint).bool(true).finish();
      const wrap = (number: number, inner: Uint8Array): Uint8Array =>
        new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(inner).finish();
      // Value.list_value.values
      for (let i = 0; i < levels; i++) value = wrap(6, wrap(1, value));
      const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string('k').finish();
      const struct = wrap(1, Buffer.concat([entry, wrap(2, value)]));
      const filter = new BinaryWriter().tag(1, WireType.LengthDelimited).string('f').finish();
      // Cluster.metadata.filter_metadata
      return wrap(25, wrap(1, Buffer.concat([filter, wrap(2, struct)])));
    };
    const accepts = (decode: (bytes: Uint8Array) => unknown, levels: number): boolean => {
      try {
        decode(nested(levels));
        return true;
      } catch {
        return false;
      }
    };
    const deepest = (decode: (bytes: Uint8Array) => unknown): number => {
      let levels = 1;
      while (accepts(decode, levels)) levels++;
      return levels;
    };
    const atOnceLimit = deepest((bytes) => fromBinary(schema, bytes));
    assert.ok(atOnceLimit > 10);
    assert.equal(
      deepest((bytes) => atOnce(decodeSteps(schema, bytes, 4))),
      atOnceLimit,
    );
  });
});
