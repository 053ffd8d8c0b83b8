import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { readRuntimeValues } from './runtime-layers.ts';

test('keys of the runtime: later layers win, fractions are values, unread keys of Envoy are warned of', () => {
  const half = { numerator: 50, denominator: 'HUNDRED' };
  const layers = [
    { name: 'a', staticLayer: { weights: { a: 1, b: 2 }, envoy: { x: true } } },
    { name: 'b', staticLayer: { 'weights.b': 3, share: half } },
  ];
  const problems: string[] = [];
  const values = readRuntimeValues(
    fromJson(BootstrapSchema, { layeredRuntime: { layers } }),
    (path, message, level = 'error') => problems.push(`${level} ${path}: ${message}`),
  );
  assert.deepEqual(values, { 'weights.a': 1, 'weights.b': 3, share: half, 'envoy.x': true });
  assert.deepEqual(problems, [
    'warning layered_runtime.layers[0].static_layer.envoy.x: has no effect: this runtime key is not supported',
  ]);
});
