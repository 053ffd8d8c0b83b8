import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ScalarType } from '@bufbuild/protobuf';
import { readScalar, type ScalarValue } from './scalar.ts';

describe('readScalar takes', () => {
  const cases: [type: keyof typeof ScalarType, value: unknown, read: ScalarValue, why: string][] = [
    ['INT32', -5, -5, 'a signed number'],
    ['UINT32', '4294967295', 2 ** 32 - 1, 'the greatest'],
    ['UINT64', '18446744073709551615', 2n ** 64n - 1n, 'the greatest of 64 bits'],
    ['INT64', 5, 5n, 'a small one of 64 bits as a number'],
    ['INT32', 5.0, 5, 'a whole number written with a point'],
    ['DOUBLE', 'NaN', Number.NaN, 'ProtoJSON writes it as a text'],
    ['FLOAT', '-Infinity', Number.NEGATIVE_INFINITY, 'and this'],
    ['BOOL', false, false, 'a boolean'],
    ['STRING', '', '', 'an empty text'],
    ['BYTES', 'aGk', Uint8Array.of(0x68, 0x69), 'base64 without padding'],
  ];
  for (const [type, value, read, why] of cases) {
    test(`${type} ${JSON.stringify(value)} (${why})`, () => {
      assert.deepEqual(readScalar(ScalarType[type], value), { ok: true, value: read });
    });
  }
});

describe('readScalar refuses', () => {
  const cases: [type: keyof typeof ScalarType, value: unknown, message: string, why: string][] = [
    [
      'INT32',
      2 ** 31,
      'expected a whole number from -2147483648 to 2147483647, found 2147483648',
      'one too many',
    ],
    ['UINT64', '-1', 'expected a whole number from 0 to 18446744073709551615, found "-1"', 'below zero'],
    ['INT64', '1e3', 'expected a whole number, found "1e3"', 'no plain digits'],
    ['DOUBLE', '', 'expected a number, found ""', 'nothing is no number'],
    ['DOUBLE', true, 'expected a number, found true', 'a boolean'],
    ['BOOL', 'true', 'expected true or false, found "true"', 'a text'],
    ['BYTES', '!', 'expected bytes in base64, found "!"', 'no such digit'],
    ['BYTES', 1, 'expected bytes in base64, found 1', 'a number'],
    ['STRING', { a: 1 }, 'expected a text, found an object', 'an object'],
    ['BOOL', 'x'.repeat(80), `expected true or false, found "${'x'.repeat(56)}...`, 'long texts are cut'],
  ];
  for (const [type, value, message, why] of cases) {
    test(`${type} ${JSON.stringify(value).slice(0, 30)} (${why})`, () => {
      const read = readScalar(ScalarType[type], value);
      assert.equal(!read.ok && read.message, message);
    });
  }
});
