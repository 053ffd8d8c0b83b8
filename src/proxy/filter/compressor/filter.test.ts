import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { CompressorSchema } from '#xds/gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js';
import { registry } from '#xds/registry.ts';
import { makeFilter } from '../../../../test/support/filter-rig.ts';
import { chooseEncoding } from './choice.ts';
import { compressor } from './filter.ts';

const LIBRARIES = 'type.googleapis.com/envoy.extensions.compression';
const library = (type: string, fields: JsonObject = {}): JsonObject => ({
  compressorLibrary: { name: 'lib', typedConfig: { '@type': `${LIBRARIES}.${type}`, ...fields } },
});
const make = (config: JsonObject) =>
  makeFilter(compressor, CompressorSchema, fromJson(CompressorSchema, config, { registry }));

test('what cannot be is refused with its place', () => {
  const gzip = (fields: JsonObject): JsonObject => library('gzip.compressor.v3.Gzip', fields);
  const rows: readonly [JsonObject, RegExp][] = [
    [{}, /compressor_library: is missing/],
    [{ compressorLibrary: { name: 'lib' } }, /compressor_library\.typed_config: nothing is not supported/],
    [library('gzip.decompressor.v3.Gzip'), /typed_config: .*decompressor.* is not supported here/],
    [gzip({ windowBits: 16 }), /window_bits: must be 9 to 15/],
    [gzip({ memoryLevel: 10 }), /memory_level: must be 1 to 9/],
    [gzip({ chunkSize: 1 }), /chunk_size: must be 4096 to 65536/],
    [library('brotli.compressor.v3.Brotli', { quality: 12 }), /quality: must be 0 to 11/],
    [library('zstd.compressor.v3.Zstd', { dictionary: {} }), /dictionary: is not supported/],
    [
      { ...gzip({}), responseDirectionConfig: { uncompressibleResponseCodes: [206, 206, 1] } },
      /codes\[1\]: is there twice[\s\S]*codes\[2\]: must be 200 to 599/,
    ],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});

describe('the choice of an encoding', () => {
  const gzip = { encoding: 'gzip', chooseFirst: false };
  const br = { encoding: 'br', chooseFirst: false };
  const rows: readonly [accept: string, encoding: string, why: string][] = [
    ['br;q=0.9, gzip;q=0.8', 'br', 'compressor'],
    ['*', 'gzip', 'wildcard'],
    ['*, gzip;q=0', 'br', 'wildcard'],
    ['gzip;q=0, br;q=0', 'identity', 'not-valid'],
    ['', 'identity', 'not-valid'],
  ];
  for (const [accept, encoding, why] of rows)
    test(`of "${accept}"`, () => assert.deepEqual(chooseEncoding(accept, [gzip, br]), { encoding, why }));

  test('of equal ones, the one that is to be first', () => {
    const first = { encoding: 'br', chooseFirst: true };
    assert.equal(chooseEncoding('gzip, br', [gzip, first]).encoding, 'br');
    assert.equal(chooseEncoding('gzip, br;q=0.9', [gzip, first]).encoding, 'gzip');
  });
});
