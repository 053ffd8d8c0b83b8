import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { atOnce } from '#core/time-slice.ts';
import { resourceTypes } from '../resource-type.ts';
import { readReceived } from './received-resource.ts';

const { typeUrl } = resourceTypes.cluster;

/** A cluster of fields that each are a length and text. */
function cluster(...fields: readonly (readonly [number: number, text: string])[]): Any {
  const writer = new BinaryWriter();
  for (const [number, text] of fields) writer.tag(number, WireType.LengthDelimited).string(text);
  return create(AnySchema, { typeUrl, value: writer.finish() });
}

describe('a resource as it came', () => {
  test('is called what its message says, the last time it does', () => {
    const read = atOnce(readReceived('cluster', '1', cluster([1, 'a'], [28, 'other'], [1, 'b'])));
    assert.ok(read.ok);
    const { name, version } = read.resource;
    assert.deepEqual({ name, version }, { name: 'b', version: '1' });
    const decoded = atOnce(read.resource.decoded());
    assert.ok(decoded.ok);
    assert.equal(decoded.name, 'b');
  });

  test('is a message of its own each time it is decoded', () => {
    const read = atOnce(readReceived('cluster', '1', cluster([1, 'a'])));
    assert.ok(read.ok);
    const [one, other] = [atOnce(read.resource.decoded()), atOnce(read.resource.decoded())];
    assert.ok(one.ok && other.ok);
    assert.notEqual(one.message, other.message);
    assert.deepEqual(one.message, other.message);
  });

  test('that is broken inside is found out when it is decoded', () => {
    // Field 4 is a duration: these bytes are none.
    const read = atOnce(readReceived('cluster', '1', cluster([1, 'a'], [4, '\u0008'])));
    assert.ok(read.ok);
    const decoded = atOnce(read.resource.decoded());
    assert.match(decoded.ok ? '' : decoded.detail, /^not a valid envoy\.config\.cluster\.v3\.Cluster: /);
  });

  test('that is no message, or of another type, is told at once', () => {
    const cut = cluster([1, 'a']);
    cut.value = cut.value.subarray(0, 2);
    for (const [any, detail] of [
      [cut, /^not a valid envoy\.config\.cluster\.v3\.Cluster: /],
      [create(AnySchema, { typeUrl: resourceTypes.route.typeUrl }), /came where .*Cluster was expected$/],
      [undefined, /^the resource is empty$/],
    ] as const) {
      const read = atOnce(readReceived('cluster', '1', any));
      assert.match(read.ok ? '' : read.detail, detail);
    }
  });
});
